"""Nested sets of the rows that a proxy is surest of, and what draws from them prove about its errors.

The argument is in guarantee.py, under 2 and 3.
"""

from __future__ import annotations

import math

import numpy as np

from inlay.arrays import Bools, Ints, Numbers

# From a tenth of the rows to all of them, by fortieths, and finer near the end, since in a join nearly all rows are
# FALSE.
_SHARES = np.concatenate([np.arange(4, 40) / 40, [0.98, 0.985, 0.99, 0.995, 1.0]])


class Tail:
    """Nested sets of rows, and what draws have shown of the errors in each.

    order: the lower, the sooner a row is in. inside: which inputs are in any set. bins: for each input the first set
    that holds it, -1 for none. sizes, drawn, wrong: rows of each set, drawn among them, and errors among those.
    """

    def __init__(self, order: Numbers, inside: Bools, counts: Ints, delta: float, *, sets: int | None = None) -> None:
        self.delta = delta
        self.bins = np.full(len(order), -1, dtype=np.int64)
        places = np.flatnonzero(inside)
        self.cuts = np.zeros(0)
        if len(places):
            sorted_places = places[np.argsort(order[places], kind="stable")]
            upto = np.cumsum(counts[sorted_places])
            shares = _SHARES if sets is None else np.ones(1)
            ends = np.searchsorted(upto, shares * upto[-1])
            # A set is all inputs up to a score: equal scores are never apart.
            self.cuts = np.unique(order[sorted_places[np.minimum(ends, len(places) - 1)]])
            self.bins[places] = np.searchsorted(self.cuts, order[places])
        self.sizes = self.sums(counts, inside)
        self.drawn = np.zeros(len(self.cuts), dtype=np.int64)
        self.wrong = np.zeros(len(self.cuts), dtype=np.int64)
        self._excluded = np.zeros(len(self.cuts), dtype=np.bool_)
        self._most = self.rows

    @property
    def rows(self) -> int:
        return int(self.sizes[-1]) if len(self.sizes) else 0

    def sums(self, values: Ints, where: Bools) -> Ints:
        """Of each set, the sum of `values` over those of its inputs that are in `where`."""
        chosen = np.flatnonzero(where & (self.bins >= 0))
        per_set = np.bincount(self.bins[chosen], weights=values[chosen], minlength=len(self.cuts))
        return np.cumsum(per_set).astype(np.int64)

    def draw(self, inputs: Ints, is_wrong: Bools) -> None:
        """Counts rows that were drawn. inputs: the input of each row."""
        bins = self.bins[inputs]
        for counter, kept in ((self.drawn, bins >= 0), (self.wrong, (bins >= 0) & is_wrong[inputs])):
            counter += np.cumsum(np.bincount(bins[kept], minlength=len(self.cuts)))

    def passed(self, allowed: float) -> int:
        """How many sets, from the smallest on, were shown to hold no more errors than allowed; there may be more."""
        least = math.floor(allowed + 1e-9) + 1
        self._excluded |= log_evidence(self.sizes, self.drawn, self.wrong, least) >= -math.log(self.delta)
        return _leading(self._excluded)

    def would_pass(self, allowed: float, share: float) -> int:
        """The same if another share of what is left were drawn, with errors at a rate somewhat below the rate seen:
        giving up too soon costs more than one look too many."""
        least = math.floor(allowed + 1e-9) + 1
        more = np.floor((self.sizes - self.drawn) * share).astype(np.int64)
        rate = (self.wrong - np.sqrt(self.wrong)) / np.maximum(self.drawn, 1)
        wrong = self.wrong + np.round(more * rate).astype(np.int64)
        evidence = log_evidence(self.sizes, self.drawn + more, wrong, least)
        return _leading(self._excluded | (evidence >= -math.log(self.delta)))

    def most_errors(self) -> int:
        """An upper bound for the errors of the largest set, at any time."""
        low, high = int(self.wrong[-1]), self._most
        while low < high:  # ends with the bound in `low`: "more than low" is given up, "low or more" is not
            middle = (low + high) // 2
            evidence = log_evidence(self.sizes[-1:], self.drawn[-1:], self.wrong[-1:], middle + 1)
            low, high = (low, middle) if evidence[0] >= -math.log(self.delta) else (middle + 1, high)
        self._most = low
        return low

    def cut(self, n_sets: int) -> float:
        return float(self.cuts[n_sets - 1])


def log_evidence(sizes: Ints, drawn: Ints, wrong: Ints, least: int) -> Numbers:
    """The logarithm of the evidence against "at least `least` errors in the set", one number for each set.

    Half of the weight is on no error at all, the rest evenly on 1, 2, 4, … errors.
    """
    n_powers = max(int(sizes.max(initial=1)), 1).bit_length()
    atoms = np.concatenate([[0], 2 ** np.arange(n_powers)])[:, None]
    usable = np.arange(n_powers)[:, None] < np.array([int(n).bit_length() for n in sizes])[None, :]
    weights = np.concatenate([np.full((1, len(sizes)), 0.5), 0.5 * usable / np.maximum(usable.sum(axis=0), 1)])
    with np.errstate(divide="ignore"):
        terms = np.log(weights) + log_likelihood(sizes, drawn, wrong, atoms)
        top = np.maximum(terms.max(axis=0), -1e300)
        mean = top + np.log(np.exp(terms - top).sum(axis=0))
    at_least = log_likelihood(sizes, drawn, wrong, np.full((1, 1), least))[0]
    # Unless the likelihood falls from `least` on, more errors would fit what was seen still better.
    falls = (drawn * (least + 1.0) > wrong * (sizes + 1.0)) & (least > wrong)
    with np.errstate(invalid="ignore"):
        evidence = np.where(falls, mean - at_least, -np.inf)
    return np.where(least - wrong > sizes - drawn, np.inf, evidence)


def log_likelihood(sizes: Ints, drawn: Ints, wrong: Ints, errors: Ints) -> Numbers:
    """log of C(N-k, M-x) / C(N, M), -inf where M cannot be. errors broadcasts against the sets."""
    left, hidden = sizes - drawn, errors - wrong
    can_be = (hidden >= 0) & (hidden <= left)
    hidden = np.where(can_be, hidden, 0)
    total = np.where(can_be, errors, 0)
    likelihood = _log_choose(left, hidden) - _log_choose(np.broadcast_to(sizes, total.shape), total)
    return np.asarray(np.where(can_be, likelihood, -np.inf))


def _log_choose(n: Ints, k: Ints) -> Numbers:
    return _log_factorial(n) - _log_factorial(k) - _log_factorial(n - k)


_SMALL = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, 1 << 14)))])


def _log_factorial(n: Ints) -> Numbers:
    """From a table, and beyond it by Stirling's series."""
    small = np.asarray(_SMALL[np.minimum(n, len(_SMALL) - 1)])
    if n.max(initial=0) < len(_SMALL):
        return small
    z = np.maximum(n, 1).astype(np.float64)
    series = z * np.log(z) - z + 0.5 * np.log(2 * math.pi * z) + 1 / (12 * z) - 1 / (360 * z**3)
    return np.where(n < len(_SMALL), small, series)


def _leading(flags: Bools) -> int:
    return len(flags) if flags.all() else int(flags.argmin())
