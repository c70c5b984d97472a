"""Risk by coverage: how often the surest answers of a head, or under a calibration, were right on held-out rows.

Shares of rows that were seen, without the margin that a promise keeps (assurance.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inlay.arrays import Floats
from inlay.backends.heads import read_head
from inlay.functions.assurance import assured
from inlay.models.head_card import HeadCard, all_cards, arrays_file


@dataclass(frozen=True)
class Step:
    """The surest `answered` of the labelled rows: the share that they are, how many of them are right, and the least
    confidence among them."""

    answered: int
    coverage: float
    accuracy: float
    confidence: float


@dataclass(frozen=True)
class Risk:
    """Of one head or calibration. held_out: as of backends/heads.py."""

    card: HeadCard
    held_out: Floats

    def steps(self) -> list[Step]:
        """By a hundredth of the labelled rows, from the surest down."""
        n, right = len(self.held_out), self.held_out[:, 1].cumsum()
        return [
            Step(answered, answered / n, float(right[answered - 1]) / answered, float(self.held_out[answered - 1, 0]))
            for answered in sorted({math.ceil(n * k / 100) for k in range(1, 101)} if n else ())
        ]

    def promised(self, accuracy: float) -> float:
        """The share of rows that `accuracy` answers, with probability 0.95."""
        found = assured(self.held_out, accuracy, 0.95)
        return 0.0 if found is None else found.answered / found.rows


def risks(heads: Path) -> Iterator[Risk]:
    """Of the current version of each that has classes. Raises as read_head()."""
    for card in all_cards(heads):
        held_out = read_head(card, arrays_file(heads, card)).held_out
        if len(held_out):
            yield Risk(card, held_out)
