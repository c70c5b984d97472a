"""What a model can do, by its task and its backend.

The names are in types.py. A model declares them here and nowhere else; callers use `ref.can(…)`.
"""

from __future__ import annotations

from collections.abc import Mapping

from inlay.types import Capability, Task

_BY_TASK: Mapping[Task, frozenset[Capability]] = {
    "embed": frozenset({"vectors"}),
    "classify": frozenset({"own_labels"}),
    "nli": frozenset({"entailment"}),
    "rerank": frozenset({"relevance"}),
    "generate": frozenset({"likelihoods", "replies"}),
    "rules": frozenset({"rules"}),
    "head": frozenset({"prediction", "own_labels"}),
}

# These only write replies.
_WITHOUT_LIKELIHOODS = ("openai", "vllm")


def capabilities_of(task: Task, backend: str, *, tokenizer: bool = True) -> frozenset[Capability]:
    """tokenizer: whether the model's tokenizer is on this machine, so that tokens can be counted."""
    capabilities = _BY_TASK[task]
    if backend in _WITHOUT_LIKELIHOODS:
        capabilities -= {"likelihoods"}
    return capabilities | {"token_counts"} if tokenizer else capabilities
