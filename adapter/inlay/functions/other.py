"""ai_classify(…, other := 'something else'): the answer where no label is near enough.

By the best of the raw scores that try_ai_classify shows, and not by how far it is before the next: a text that fits two
labels equally well is inside, one that fits none of them is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inlay.errors import ConfigError
from inlay.functions.contract import Answers, Call


@dataclass(frozen=True)
class Other:
    """label: the answer where no label's score reaches the threshold."""

    label: str
    threshold: float

    def basis(self) -> dict[str, Any]:
        """For the signature."""
        return {"other": [self.label, self.threshold]}


def call_other(call: Call, names: Sequence[str], *, gives_scores: bool = True) -> Other | None:
    """None where the call has none. Raises ConfigError for one that is a label, or goes with another option."""
    label, threshold = call.options.get("other"), call.options.get("threshold")
    if label is None:
        if threshold is not None:
            raise ConfigError(f"{call.function}: threshold says where other begins; give other := '…' too.")
        return None
    if not isinstance(label, str) or not label.strip() or label in names:
        raise ConfigError(f"{call.function}: other is {label!r}; it must be a text that is none of the labels.")
    if with_it := next((name for name in ("agreement", "accuracy") if call.options.get(name) is not None), None):
        raise ConfigError(f"{call.function}: other does not go with {with_it}. Leave one of them out.")
    if not gives_scores:
        raise ConfigError(
            f"{call.function}: other needs scores, and {call.model.name!r} gives none. Leave other out and make it one "
            "of the labels."
        )
    if threshold is None:
        raise ConfigError(
            f"{call.function}: other is given, but no threshold. What a good score is depends on the model and the "
            f"texts: look at the best scores of some (try_{call.function}), then give threshold := 0.3 or so."
        )
    return Other(label, call.threshold(None))


def or_other(answers: Answers, other: Other | None) -> Answers:
    """The same with `other` where the best score is below its threshold."""
    if other is not None and answers.scores is not None:
        far = answers.scores.max(axis=1) < np.float32(other.threshold)
        answers.values = [
            other.label if is_far and value is not None else value
            for value, is_far in zip(answers.values, far.tolist(), strict=True)
        ]
    return answers
