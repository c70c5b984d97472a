"""What asking one model costs beside asking another, for a text of the same length: enough to order conditions by.

Orders of magnitude, no measurements: an encoder reads a text once; an NLI model or a cross-encoder reads it again for
each statement; a language model is some ten times larger, and one that writes its answer makes a pass for every token
of it. Which of two conditions comes first changes what is asked, and never an answer.
"""

from __future__ import annotations

from inlay.functions.judged import gives_likelihoods
from inlay.models.ref import ModelRef

_BY_TASK = {"rules": 0.01, "embed": 1.0, "classify": 2.0, "nli": 2.0, "rerank": 2.0}
_LIKELIHOOD = 20.0
_REPLY = 200.0


def relative_cost(model: ModelRef) -> float:
    """Per character of the input."""
    if model.task == "generate":
        return _LIKELIHOOD if gives_likelihoods(model) else _REPLY
    return _BY_TASK[model.task]
