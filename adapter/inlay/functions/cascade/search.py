"""The search for inputs that a proxy may decide: which rows to draw and ask next, until nothing is left to ask."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from inlay.arrays import Bools, Ids, Ints, Numbers
from inlay.functions.cascade.nested_sets import Tail

AskExact = Callable[[Ints], Ints]
"""What the exact model answers for the inputs at these positions: a filter 1 or 0, labels a code; or FAILED."""

FAILED = -1
"""The exact model has no answer. That is never TRUE, and agrees with nothing."""

_UNASKED = -2

# At least so many rows are drawn at a time; the first look is at a share of all, but at no more than so many.
_DRAW_ROWS = 32
_FIRST_SHARE, _FIRST_ROWS = 0.02, 256


class Search:
    """One run: which inputs the exact model answered so far, and which to ask it next."""

    def __init__(
        self,
        scores: Numbers,
        ask: AskExact,
        known: tuple[Ints, Ints] | None,
        counts: Ints | None,
        ids: Ids | None,
        seed: int,
    ) -> None:
        n = len(scores)
        self.n = n
        self.scores = scores
        self.counts = np.ones(n, dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
        self.seed = seed
        self.answers = np.full(n, _UNASKED, dtype=np.int64)
        self._ask = ask
        if known is not None:
            self.answers[known[0]] = known[1]
        self.n_known = int(self.asked.sum())
        opened = np.flatnonzero(~self.asked)
        self.ids = np.arange(n, dtype=np.uint64) if ids is None else ids
        self.row_inputs = _drawing_order(opened, self.counts[opened], self.ids, seed)
        self.n_drawn = 0

    @property
    def asked(self) -> Bools:
        return np.asarray(self.answers != _UNASKED)

    def ask(self, places: Ints) -> None:
        new = places[~self.asked[places]]
        if len(new):
            self.answers[new] = self._ask(new)

    def draw(self, n_rows: int) -> Ints:
        """The inputs of the next rows, which are asked."""
        inputs = self.row_inputs[self.n_drawn : self.n_drawn + n_rows]
        self.n_drawn += len(inputs)
        self.ask(np.unique(inputs))
        return inputs

    def estimated_true(self) -> float:
        """An estimate of the TRUE rows: it decides what is drawn next, never what is promised."""
        true = float((self.counts * (self.answers == 1)).sum())
        unasked = np.flatnonzero(~self.asked)
        if not len(unasked) or not self.n_drawn:
            return true
        seen = self.row_inputs[: self.n_drawn]
        finite = np.nan_to_num(self.scores, nan=0.0)
        edges = np.unique(np.quantile(finite[seen], np.linspace(0, 1, 1 + min(20, 1 + len(seen) // 20))))[1:-1]
        bins, n_bins = np.searchsorted(edges, finite), len(edges) + 1
        drawn = np.bincount(bins[seen], minlength=n_bins)
        n_true = np.bincount(bins[seen], weights=self.answers[seen] == 1, minlength=n_bins)
        left = np.bincount(bins[unasked], weights=self.counts[unasked], minlength=n_bins)
        return float(true + (left * n_true / np.maximum(drawn, 1)).sum() + 0.5 * left.sum() / (len(seen) + 1))

    def run(
        self,
        lower: Tail | None,
        upper: Tail | None,
        above: Tail | None,
        allowed: Callable[[float], tuple[float, float]],
        least_true: Callable[[], float],
        errors: Callable[[Ints], tuple[Bools, Bools]],
        estimated_true: Callable[[], float],
    ) -> None:
        self.n_lower = self.n_upper = 0
        if (lower is None or not lower.rows) and (upper is None or not upper.rows):
            self.ask(np.arange(self.n))
            return
        more = max(_DRAW_ROWS, min(math.ceil(_FIRST_SHARE * len(self.row_inputs)), _FIRST_ROWS))
        while True:
            if more:
                inputs = self.draw(more)
                missed, wrong = errors(self.answers)
                for tail, is_wrong in ((lower, missed), (upper, wrong), (above, wrong)):
                    if tail is not None:
                        tail.draw(inputs, is_wrong)
            missed_most, wrong_most = allowed(least_true())
            self.n_lower = 0 if lower is None else lower.passed(missed_most)
            self.n_upper = 0 if upper is None else upper.passed(wrong_most)
            if not self.rest(lower, upper, self.n_lower, self.n_upper).any():
                return
            share, n_lower, n_upper = self.plan(lower, upper, *allowed(estimated_true()))
            rest = self.rest(lower, upper, max(n_lower, self.n_lower), max(n_upper, self.n_upper))
            left = len(self.row_inputs) - self.n_drawn
            if share == 0 and rest.any():
                self.ask(np.flatnonzero(rest))
                more = 0
            else:  # half as much again at most, since all estimates get better
                more = max(_DRAW_ROWS, self.n_drawn // 16, min(math.ceil(share * left), self.n_drawn // 2))

    def rest(self, lower: Tail | None, upper: Tail | None, n_lower: int, n_upper: int) -> Bools:
        """The inputs that were not asked and that the proxy would not decide."""
        rest = ~self.asked
        for tail, n_sets in ((lower, n_lower), (upper, n_upper)):
            if tail is not None:
                rest &= ~((tail.bins >= 0) & (tail.bins < n_sets))
        return rest

    def plan(
        self, lower: Tail | None, upper: Tail | None, missed_most: float, wrong_most: float
    ) -> tuple[float, int, int]:
        """(share of the rows left to draw first, sets that the proxy then decides), for the fewest inputs asked."""
        left = len(self.row_inputs) - self.n_drawn
        ones = np.ones(self.n, dtype=np.int64)
        unasked = ~self.asked
        n_unasked = int(unasked.sum())
        pairs = ((lower, missed_most), (upper, wrong_most))
        tails = [(tail, most, tail.sums(ones, unasked)) for tail, most in pairs if tail is not None]
        best, cost = (0.0, 0, 0), float(n_unasked)
        steps = np.concatenate([[0.0], self.n_drawn * (1.3 ** np.arange(1, 25) - 1) / max(left, 1)])
        for share in steps[steps < 1]:
            sets = {id(tail): tail.would_pass(most, share) for tail, most, _ in tails}
            decided = sum(int(sums[sets[id(tail)] - 1]) for tail, _, sums in tails if sets[id(tail)])
            n_asked = n_unasked - decided + share * decided
            if n_asked < cost - 1e-9:
                cost = n_asked
                best = (float(share), sets.get(id(lower), 0), sets.get(id(upper), 0))
        return best


def _drawing_order(inputs: Ints, counts: Sequence[int] | Ints, ids: Ids, seed: int) -> Ints:
    """The input of every row, in the order in which rows are drawn: by a hash of the input, of which of its rows it is,
    and of the seed. So the same rows come first when others are added."""
    owners = np.repeat(inputs, counts)
    copies = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    salt = mixed(np.array([seed], dtype=np.uint64))
    return owners[np.argsort(mixed(ids[owners] ^ mixed(copies.astype(np.uint64) ^ salt)), kind="stable")]


def mixed(numbers: Ids) -> Ids:
    """SplitMix64's finalizer (Steele, Lea and Flood 2014): each bit of the result depends on all of the number's."""
    z = numbers + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
