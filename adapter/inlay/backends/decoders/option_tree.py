"""The possible answers to a question as a tree of tokens. Pure: token ids in, numbers out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class OptionTree:
    """Answers with a common beginning share its nodes.

    options: the tokens of each, the end token included where it is needed.
    tokens: the tokens with a following one, each once; node 0, before them, is the prompt's last token.
    sees: bool [1 + tokens, 1 + tokens], the nodes on each node's path from the root, itself included.
    steps: int [3, steps], (node, token after it, option) for every token of every option.
    """

    options: tuple[tuple[int, ...], ...]
    tokens: tuple[int, ...]
    sees: npt.NDArray[np.bool_]
    steps: npt.NDArray[np.int64]

    @property
    def depth(self) -> int:
        """Tokens of the longest option."""
        return max(len(option) for option in self.options)


def option_tree(options: Sequence[Sequence[int]], end: int | None) -> OptionTree:
    """end: the token that ends an answer, added to every option where one option is the beginning of another.

    Without it the shorter option would be as likely as everything that begins with it, the longer one included, and so
    never lose. Where no option begins another it is not needed, and the comparison ignores whether the model would
    continue after an answer (a full stop, a reason).

    >>> tree = option_tree([[5, 6], [5, 7], [8]], 0)
    >>> tree.tokens, tree.steps.tolist()
    ((5,), [[0, 1, 0, 1, 0], [5, 6, 5, 7, 8], [0, 0, 1, 1, 2]])
    """
    if end is not None and _one_begins_another(options):
        options = [[*option, end] for option in options]
    nodes: dict[tuple[int, ...], int] = {(): 0}
    steps: list[tuple[int, int, int]] = []
    for number, option in enumerate(options):
        for place, token in enumerate(option):
            node = nodes.setdefault(tuple(option[:place]), len(nodes))
            steps.append((node, token, number))
    sees = np.zeros((len(nodes), len(nodes)), dtype=np.bool_)
    for way, node in nodes.items():
        sees[node, [nodes[way[:place]] for place in range(len(way) + 1)]] = True
    tokens = tuple(way[-1] for way in nodes if way)
    return OptionTree(
        tuple(tuple(option) for option in options), tokens, sees, np.array(steps, dtype=np.int64).reshape(-1, 3).T
    )


def _one_begins_another(options: Sequence[Sequence[int]]) -> bool:
    ordered = sorted(tuple(option) for option in options)
    return any(longer[: len(shorter)] == shorter for shorter, longer in itertools.pairwise(ordered))
