"""The relative cost of models for a text of the same length: precise enough to order conditions by.

Orders of magnitude, no measurements: an encoder reads a text once, and a head adds next to nothing; an NLI model or a
cross-encoder reads it again for each statement; a language model is some ten times larger, and one that writes its
answer makes a pass for every token of it. Which of two conditions comes first changes what is asked, and never an
answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from inlay.models.ref import ModelRef
from inlay.types import Capability

COSTS: Mapping[Capability, float] = {
    "rules": 0.01, "vectors": 1.0, "prediction": 1.0, "own_labels": 2.0, "entailment": 2.0, "relevance": 2.0,
    "likelihoods": 20.0, "shares": 100.0, "replies": 200.0,
}  # fmt: skip


def relative_cost(model: ModelRef) -> float:
    """Per character of the input, by the cheapest thing that the model can be asked for."""
    return min(cost for capability, cost in COSTS.items() if model.can(capability))
