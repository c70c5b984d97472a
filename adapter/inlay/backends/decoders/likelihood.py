"""The likelihood of each given answer, for many prompts at once.

A common beginning of the prompts is read once; so is a text with several questions, up to where the prompts differ. The
rest of each prompt is read once, whatever the number of answers. The tokens of the answers are read together, as a tree
after the prompt, in which each node attends to its own path from the root.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from inlay.arrays import Ints
from inlay.backends.chat.control_tokens import Ids
from inlay.backends.decoders.causal import CausalReader
from inlay.backends.decoders.option_tree import OptionTree

# Logits held at a time, in numbers: a vocabulary of 150,000 makes 600 KB of each place in float32.
LOGITS = 1 << 26


def likelihoods(reader: CausalReader, rows: Sequence[Ids], tree: OptionTree, alike: Ints | None = None) -> torch.Tensor:
    """float32 [rows, options]: the summed log-probability of each option's tokens after each prompt, over the whole
    vocabulary. Rows are best sorted by length. alike: see Tokens; adjacent rows with equal numbers have the same
    text."""
    prefix = reader.prefix(rows)
    cache = reader.cache()
    n_nodes = 1 + len(tree.tokens)
    cache.reserve(len(rows), max(len(row) for row in rows) + n_nodes)
    groups = [] if alike is None else np.split(np.arange(len(rows)), 1 + np.flatnonzero(np.diff(alike)))
    if len(groups) < len(rows) and groups:
        reader.read_alike(cache, rows, prefix, groups)
    else:
        reader.read(cache, rows, prefix)
    sees = torch.from_numpy(tree.sees).to(reader.device)
    tokens = torch.tensor([[int(row[-1]), *tree.tokens] for row in rows], device=reader.device)
    at = torch.tensor([len(row) - 1 for row in rows], device=reader.device)
    per_step = max(1, LOGITS // (n_nodes * reader.vocabulary))
    parts = []
    for start in range(0, len(rows), per_step):
        part = slice(start, min(start + per_step, len(rows)))
        logits = reader.step(cache, part, tokens[part], at[part], sees)
        parts.append(summed(logits, tree))
    return torch.cat(parts)


def summed(logits: torch.Tensor, tree: OptionTree) -> torch.Tensor:
    """[rows, nodes, vocabulary] → [rows, options]."""
    nodes, tokens, options = torch.from_numpy(np.ascontiguousarray(tree.steps)).to(logits.device)
    logits = logits.float()
    steps = logits[:, nodes, tokens] - logits.logsumexp(dim=-1)[:, nodes]
    sums = torch.zeros((len(logits), len(tree.options)), device=logits.device)
    return sums.index_add_(1, options, steps)
