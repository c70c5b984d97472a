"""What a model can do, by what it was made for and what runs it.

The words stand in types.py. A model declares them here and nowhere else; whoever uses a model asks `ref.can(…)`.
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
}

# These only reply: nothing but text comes back from them.
_WITHOUT_LIKELIHOODS = ("openai", "vllm")


def capabilities_of(task: Task, backend: str, *, tokenizer: bool = True) -> frozenset[Capability]:
    """tokenizer: whether the model's own is on this machine, so that its tokens can be counted here."""
    capabilities = _BY_TASK[task]
    if backend in _WITHOUT_LIKELIHOODS:
        capabilities -= {"likelihoods"}
    return capabilities | {"token_counts"} if tokenizer else capabilities
