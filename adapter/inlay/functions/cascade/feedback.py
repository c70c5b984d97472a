"""Recall alone: the TRUE rows are looked for where they are likely, and a draw from the rest shows how few are left.

With a target for recall and none for precision every row given TRUE is asked, so to ask the likeliest ones first costs
nothing. The proxy learns from each batch of answers where the next ones are (relevance feedback; Cormack and Grossman,
Evaluation of machine-learning protocols for technology-assisted review, SIGIR 2014).

The contract and the test are those of guarantee.py, under 2 and 4, with one set in the place of many. Once batches find
little, the set R of the rows that were not asked is fixed, and rows of R are drawn at random, in an order in which no
score has a part. With k of its N rows drawn and x of them TRUE, `most_true` bounds the number M of TRUE rows in R, at
all times together. Since there is one set, whatever is found in it, by draws or by further batches, is not missed:
missed = M - found in R. The promise is kept once that is shown to be (1 - recall) / recall of all that was found, or
less. That holds however bad the proxy is, which decides only how soon it comes.

When to stop looking and begin to draw is an estimate: with A misses allowed it takes some cN / A draws of N rows, so
each TRUE row that is not left in R spares cN / A^2 of them, and batches go on while they find more than one in so many.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from inlay.arrays import Bools, Ids, Ints, Numbers
from inlay.functions.cascade.guarantee import Certificate, Decided
from inlay.functions.cascade.nested_sets import log_likelihood
from inlay.functions.cascade.search import AskExact, Search

METHOD = "prior-posterior-ratio martingale, one set after relevance feedback"

Rank = Callable[[Ints, Ints], Numbers]
"""Scores of all inputs, the higher the likelier TRUE, from the exact model's answers to those at some positions."""

# Of what was tried on five predicates of SNIPS and banking77 (1,500 rows each) these asked least; smaller batches ask a
# hundredth or two less, and wait for the exact model more often.
_LEAST_BATCH, _BATCH_SHARE = 24, 16
_DRAWS = 10.0
_MANY_HITS = 0.2

_BETTER = 1.2

_LEAST_DRAWS, _DRAWN_SHARE = 16, 8

_SHAPE = 0.5
_TAIL = 3.0
"""How often what the last batch found is expected to be left."""


def recalled(
    rank: Rank,
    ask: AskExact,
    *,
    recall: float,
    probability: float,
    known: tuple[Ints, Ints],
    share: float,
    usable: Bools,
    counts: Ints,
    ids: Ids,
    seed: int,
) -> Decided:
    """TRUE or FALSE for each input within a target for recall. share: of the inputs, how many are TRUE, as far as one
    knows. usable: the inputs that have scores; the exact model decides the others. The rest as in filtered()."""
    looking = _Looking(rank, Search(np.zeros(len(usable)), ask, known, counts, ids, seed), (1 - recall) / recall, share)
    looking.search.ask(np.flatnonzero(~usable))
    found = looking.batch()
    while found >= looking.worth() and not looking.search.asked.all():
        found = looking.batch()
    # The set R, and the order in which its rows are drawn.
    asked = np.flatnonzero(looking.search.asked)
    search = Search(looking.search.scores, ask, (asked, looking.search.answers[asked]), counts, ids, seed)
    looking.search = search
    rest, n_true = ~search.asked, 0
    n_rest = int(counts[rest].sum())
    expected = max(1.0, _TAIL * found * looking.n_batch)
    most = n_rest
    while True:
        most = min(most, most_true(n_rest, search.n_drawn, n_true, expected, 1 - probability))
        missed = most - looking.true_rows(rest)
        if missed <= looking.allowed() or search.asked.all():
            break
        if search.n_drawn and found > _worth_of_a_draw(n_rest, search.n_drawn, n_true, most):
            found = looking.batch()
        else:
            inputs = search.draw(max(_LEAST_DRAWS, search.n_drawn // _DRAWN_SHARE))
            n_true += int((search.answers[inputs] == 1).sum())
    left = search.scores[~search.asked]
    certificate = Certificate(
        recall, None, None, probability,
        rows=int(counts.sum()), inputs=search.n, asked=int(search.asked.sum()), trained=search.n_known,
        drawn_rows=search.n_drawn, seed=seed, lower=float(left.max()) if len(left) else None, upper=None,
        lower_rows=n_rest, lower_drawn=search.n_drawn, lower_wrong=n_true,
        upper_rows=0, upper_drawn=0, upper_wrong=0, method=METHOD,
    )  # fmt: skip
    return Decided(search.asked, search.answers, np.zeros(search.n, dtype=np.bool_), certificate)


class _Looking:
    """odds: rows that may be missed for each that is found. share: as of recalled()."""

    def __init__(self, rank: Rank, search: Search, odds: float, share: float) -> None:
        self.search = search
        self._rank = rank
        self._odds = odds
        self._share = share

    @property
    def n_batch(self) -> int:
        return max(_LEAST_BATCH, int(self.search.asked.sum()) // _BATCH_SHARE)

    def batch(self) -> float:
        """Asks the likeliest inputs; the share of them that is TRUE."""
        search = self.search
        asked, rest = np.flatnonzero(search.asked), np.flatnonzero(~search.asked)
        search.scores = self._rank(asked, search.answers[asked])
        # Of equal scores by the input, not by its place among them.
        likeliest = rest[np.lexsort((search.ids[rest], -search.scores[rest]))[: self.n_batch]]
        search.ask(likeliest)
        return float((search.answers[likeliest] == 1).mean()) if len(likeliest) else 0.0

    def true_rows(self, among: Bools | None = None) -> int:
        """Rows that were found TRUE."""
        found = self.search.answers == 1
        return int(self.search.counts[found if among is None else found & among].sum())

    def allowed(self) -> float:
        """How many rows may be missed. Found is all but these, so found / (found + missed) is the recall."""
        return self._odds * self.true_rows() + 1e-9

    def worth(self) -> float:
        """The share of TRUE ones from which on a batch spares more draws than it asks. One that finds hardly more than
        a draw does spares none: the proxy knows nothing of what is left."""
        search = self.search
        left = int(search.counts[~search.asked].sum())
        n_true, n_asked = int((search.answers == 1).sum()), int(search.asked.sum())
        by_draws = (self._share * search.n - n_true) / max(1, search.n - n_asked)
        return max(min(_MANY_HITS, self.allowed() ** 2 / (_DRAWS * max(left, 1))), _BETTER * by_draws)


def _worth_of_a_draw(size: int, drawn: int, true: int, most: int) -> float:
    """By how much one draw more lowers what may be missed: the bound comes nearer to what the draws say, as 1 / drawn
    where none was TRUE and as its root otherwise; and it may find one."""
    share = true / drawn
    return (most - size * share) / drawn / (2 if true else 1) + share


def most_true(size: int, drawn: int, true: int, expected: float, delta: float) -> int:
    """An upper bound for the TRUE rows of a set of so many rows, at all times with probability 1 - delta, after some
    were drawn and so many of them were TRUE. expected: how many are expected, fixed before anything was drawn.

    The weights on M are those of draws with a chance that has a beta distribution, of mean `expected` in all; so the
    mean of what was seen over them is a quotient of beta functions.
    """
    if not drawn:
        return size
    shape, other = _SHAPE, _SHAPE * size / expected
    mean = _log_beta(shape + true, other + drawn - true) - _log_beta(shape, other)
    least = mean + math.log(delta)

    def fits(n: int) -> bool:
        of_size = (np.array([each]) for each in (size, drawn, true, n))
        return bool(log_likelihood(*of_size)[0] > least)

    # The likelihood rises up to its mode and falls after it, so what fits beyond the mode is an interval.
    low = min(size - drawn + true, max(true, (size + 1) * true // drawn))
    high = size - drawn + true + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
