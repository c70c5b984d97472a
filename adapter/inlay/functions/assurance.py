"""From which confidence on enough answers are right, with a stated probability: sure or silent.

The contract. Labelled rows, answered by heads or calibrations (calibrated.py) that had not seen them, are a random
sample of the rows to come. Over that chance, with at least `probability`, the answers to rows to come whose confidence
reaches the threshold are right at least as often as `accuracy` says. Rows to come of another kind are outside of it.

How. The labelled rows are put in order by confidence, which says nothing of which are right, and a sequence of ever
larger sets of the surest rows is fixed: it begins with a quarter of the rows, or with as many as can show the
accuracy at all, and grows by a hundredth at a time. For each in turn "the answers in it are right less often than
`accuracy`" is tested by the binomial tail of its wrong answers; the first that cannot be rejected ends the sequence,
and the largest set before it gives the threshold. Since each is tested only where all before it were rejected, all
are tested at 1 - probability (fixed sequence testing; Angelopoulos et al., Learn then test, arXiv 2110.01052, section
3.2). Rows in a set need not be equally likely right: the binomial tail is the largest then (Hoeffding, 1956).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inlay.arrays import Floats
from inlay.backends.heads import load_head
from inlay.errors import ConfigError
from inlay.functions.contract import Answers, Call
from inlay.models.head_card import HeadCard

_FIRST = 0.25
_STEP = 0.01


@dataclass(frozen=True)
class Assurance:
    """threshold: the least confidence of an answer. rows: labelled rows; answered, wrong: of those that reach it."""

    accuracy: float
    probability: float
    threshold: float
    rows: int
    answered: int
    wrong: int


def least_rows(accuracy: float, probability: float) -> int:
    """Labelled rows that must be right without exception before so much can be promised."""
    return math.ceil(math.log(1 - probability) / math.log(accuracy))


def assured(held_out: Floats, accuracy: float, probability: float) -> Assurance | None:
    """held_out: [n, 2] confidence and 1 where the answer was right, in order of falling confidence. None where no set
    of them shows the accuracy."""
    n, confidence = len(held_out), held_out[:, 0]
    wrong = np.concatenate([[0], np.cumsum(1 - held_out[:, 1])]).astype(np.int64)
    size = max(least_rows(accuracy, probability), math.ceil(_FIRST * n))
    step = max(1, round(_STEP * n))
    passed = 0
    while size <= n:
        # Rows of one confidence are answered together.
        size = int(np.searchsorted(-confidence, -confidence[size - 1], side="right"))
        if _tail(int(wrong[size]), size, 1 - accuracy) > 1 - probability:
            break
        passed, size = size, n if size < n < size + step else size + step
    if not passed:
        return None
    return Assurance(accuracy, probability, float(confidence[passed - 1]), n, passed, int(wrong[passed]))


def answered_at_95(held_out: Floats) -> float:
    """The share of rows that accuracy := 0.95 answers."""
    found = assured(held_out, 0.95, 0.95)
    return 0.0 if found is None else found.answered / found.rows


def accuracy_of(call: Call) -> tuple[float, float] | None:
    """(accuracy, probability) that a call asks for; None where it asks for no accuracy."""
    accuracy = call.number("accuracy", lambda number: 0 < number < 1, "a number between 0 and 1")
    if accuracy is None:
        return None
    return accuracy, call.number("probability", lambda number: 0 < number < 1, "a number between 0 and 1") or 0.95


def assurance_of(call: Call) -> Assurance | None:
    """What a call of a head promises with accuracy := …; None without. Raises ConfigError as promised(), and for a
    model that is no head of classes."""
    if (wanted := accuracy_of(call)) is None:
        return None
    card = call.model.card
    if card is None or "accuracy" not in card.measures:
        raise ConfigError(
            f"{call.function}: accuracy is {wanted[0]:g}, but no labelled rows say how often {call.model.name!r} is "
            f"right. Train a head of classes from at least {least_rows(*wanted):,} labelled rows that differ (CALL "
            "inlay_train('name', …)), and name it here: 'head:name'."
        )
    return promised(call.function, card, load_head(call.model).held_out, *wanted)


def promised(function: str, card: HeadCard, held_out: Floats, accuracy: float, probability: float) -> Assurance:
    """What the labelled rows of a head, or of a calibration, show. Raises ConfigError where they show no such accuracy,
    and says how many labelled rows that takes."""
    found = assured(held_out, accuracy, probability)
    if found is None:
        about = "head" if card.judges is None else "calibration"
        raise ConfigError(
            f"{function}: accuracy is {accuracy:g}, which the {card.rows:,} labelled rows of {about} {card.name!r} do "
            f"not show with probability {probability:g}: it takes {least_rows(accuracy, probability):,} of them at "
            f"least, all right, or more with few wrong ones. In cross-validation {card.measures['accuracy']:.3f} were "
            "right. Label more rows, or ask for less."
        )
    return found


def basis_of(found: Assurance | None) -> dict[str, float]:
    """What of a promise decides an answer, for the signature."""
    return {} if found is None else {"least_confidence": found.threshold}


def surely(answers: Answers, found: Assurance | None) -> Answers:
    """The same with None for what is not sure enough."""
    if found is not None and answers.confidence is not None:
        answers.values = [
            value if sure is not None and np.float32(sure) >= np.float32(found.threshold) else None
            for value, sure in zip(answers.values, answers.confidence, strict=True)
        ]
    return answers


def _tail(k: int, n: int, p: float) -> float:
    """P(at most k of n), each with probability p."""
    i = np.arange(k + 1)
    choose = np.cumsum(np.concatenate([[0.0], np.log(n - i[:-1]) - np.log(i[:-1] + 1)]))
    return float(np.exp(choose + i * math.log(p) + (n - i) * math.log1p(-p)).sum())
