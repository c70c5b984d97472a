"""Which inputs a cheap proxy may decide, so that a target holds with a stated probability. Pure: numbers in, decisions
out; `ask` is the only way to the exact model.

The contract. Rows are fixed, and so is what the exact model would say of each; the only chance is in which rows are
drawn at random to be asked. Over that chance, with at least `probability`:

    recall      rows given TRUE that the exact model calls TRUE, of all rows that it calls TRUE
    precision   rows given TRUE that the exact model calls TRUE, of all rows given TRUE
    agreement   rows whose answer is the exact model's, of all rows

are each at least their target, however bad the proxy is. An input that occurs in several rows counts as often as it
occurs. What the exact model was asked, for whatever reason, has its answer. A target that is not given is 1: on that
side the proxy decides nothing.

How. The problem and its name are of Kang et al. (SUPG, PVLDB 13, 2020), whose bounds hold for large samples only; that
bounds must hold at any sample size, and that sampling may go on until they do, is of Zeighami et al. (BARGAIN, SIGMOD
2026, arXiv 2509.02896). Here:

1. The proxy's scores order the rows, and sets S1 < S2 < ... of the rows that it is surest of, each within the next, are
   fixed before anything is drawn: the lowest scores (it would say FALSE), the highest (TRUE), or the widest margins.
   Rows are then drawn, at random and without replacement, and asked.
2. The proxy's errors in a set of N rows are an unknown number M. When k of its rows were drawn and x errors found,
       P(what was found | M) = C(N-k, M-x) / C(N, M),
   and the mean of that over weights on M that were fixed ahead, divided by its value at the true M, is a martingale
   with mean 1 (Waudby-Smith and Ramdas, Confidence sequences for sampling without replacement, NeurIPS 2020, section
   2: the prior-posterior-ratio martingale). By Ville's inequality it ever reaches 1/d with probability d at most. So
   "M is at least m" is given up once that ratio is 1/d for every M >= m, and one may look after every draw
   (`log_evidence`).
3. A set is passed once "it holds more errors than the target allows" is given up for it and for every smaller one. The
   number of errors grows with the set, so some set is the first with too many, and for a larger one to pass, that one
   has to: one event of probability d, with no price for the number of sets (as in Bates et al., Distribution-free,
   risk-controlling prediction sets, J. ACM 2021, theorem 1). The proxy decides the largest set that passed.
4. The exact model is asked of the rest. So what is known only grows: in the end, with a useless proxy, it is asked of
   everything, and nothing is approximate.

How many errors are allowed follows from the number P of TRUE rows: missed <= (1 - recall) P and wrong <= recall
(1 - precision) / precision P give both targets. For P a lower bound is used: the TRUE rows found, and where the proxy
may say TRUE, a bound of the same kind for the rows above `split`. With two targets half of 1 - probability goes to
what is missed, a quarter to what is wrong and a quarter to that bound.

When to go on drawing is decided by estimates (`_Search.plan`), which cost or save calls and cannot break the above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inlay.arrays import Bools, Ints

Numbers = npt.NDArray[np.float64]
Ids = npt.NDArray[np.uint64]

AskExact = Callable[[Ints], Ints]
"""What the exact model says of the inputs at these positions: of a filter 1 or 0, of labels a code; or FAILED."""

FAILED = -1
"""The exact model has no answer. That is never TRUE, and agrees with nothing."""

METHOD = "prior-posterior-ratio martingale, nested sets"

_UNASKED = -2

# Nested sets of one tail: from a tenth of the rows to all of them, by fortieths, and finer at last, since in a join
# nearly all rows are FALSE.
_SHARES = np.concatenate([np.arange(4, 40) / 40, [0.98, 0.985, 0.99, 0.995, 1.0]])

# At least so many rows are drawn at a time; the first look is at a share of all, but at no more than so many.
_DRAW_ROWS = 32
_FIRST_SHARE, _FIRST_ROWS = 0.02, 256


@dataclass(frozen=True)
class Certificate:
    """What was promised, and what it rests on.

    rows, inputs: all, and how many differ. asked: inputs that the exact model answered; trained: those among them that
    the proxy was fitted to. drawn_rows: rows drawn at random. lower, upper: the proxy says FALSE up to lower and TRUE
    (labels: its guess) from upper on; None where it decides nothing. Of the rows up to lower, and from upper on: how
    many there are, how many of them were drawn, and in how many of those the proxy was wrong.
    """

    recall: float | None
    precision: float | None
    agreement: float | None
    probability: float
    rows: int
    inputs: int
    asked: int
    trained: int
    drawn_rows: int
    seed: int
    lower: float | None
    upper: float | None
    lower_rows: int
    lower_drawn: int
    lower_wrong: int
    upper_rows: int
    upper_drawn: int
    upper_wrong: int
    method: str = METHOD


@dataclass(frozen=True)
class Decided:
    """answers: what the exact model said where it was asked. accepted: where it was not, whether the proxy's TRUE (its
    guess) stands; False there is the proxy's FALSE."""

    asked: Bools
    answers: Ints
    accepted: Bools
    certificate: Certificate


def filtered(
    scores: Numbers,
    ask: AskExact,
    *,
    recall: float | None = None,
    precision: float | None = None,
    probability: float = 0.95,
    split: float = 0.5,
    known: tuple[Ints, Ints] | None = None,
    counts: Ints | None = None,
    ids: Ids | None = None,
    seed: int = 0,
) -> Decided:
    """TRUE or FALSE for each input within targets for recall and precision.

    scores: the higher, the likelier TRUE; NaN where the proxy has none, which the exact model then decides. split: from
    where on the proxy itself would say TRUE; a bad one costs calls. known: positions that the exact model has answered,
    and its answers: such as the proxy was fitted to; they may have been chosen in any way, if not by the draw. counts:
    rows of each input. ids: a number that stands for the input; it decides, with the seed, which rows are drawn, so
    that the same inputs are drawn among others too.
    """
    search = _Search(scores, ask, known, counts, ids, seed)
    delta = 1 - probability
    both = (recall or 1) < 1 and (precision or 1) < 1
    inside = np.isfinite(scores) & ~search.asked
    kept = 1.0 if recall is None else recall
    lower = upper = above = None
    if recall is not None and recall < 1:
        # Where the proxy may say TRUE is left to the other tail.
        below = inside & (scores < split) if both else inside
        lower = Tail(scores, below, search.counts, delta / 2 if both else delta)
    if precision is not None and precision < 1:
        over = inside & (scores >= split)
        share = delta / 4 if both else delta / 2
        upper = Tail(-scores, over, search.counts, share)
        above = Tail(-scores, over, search.counts, share, sets=1)
    wrong_of_true = 0.0 if precision is None else kept * (1 - precision) / precision

    def allowed(true_rows: float) -> tuple[float, float]:
        return (1 - kept) * true_rows, wrong_of_true * true_rows

    def least_true() -> float:
        true = search.counts * (search.answers == 1)
        if above is None or not above.rows:
            return float(true.sum())
        inside_above = above.bins == 0
        return float(true[~inside_above].sum() + max(true[inside_above].sum(), above.rows - above.most_errors()))

    def errors(answers: Ints) -> tuple[Bools, Bools]:
        return answers == 1, answers != 1

    search.run(lower, upper, above, allowed, least_true, errors, search.estimated_true)
    return search.decided(lower, upper, recall=recall, precision=precision, agreement=None, probability=probability)


def classified(
    margins: Numbers,
    guesses: Ints,
    ask: AskExact,
    *,
    agreement: float,
    probability: float = 0.95,
    known: tuple[Ints, Ints] | None = None,
    counts: Ints | None = None,
    ids: Ids | None = None,
    seed: int = 0,
) -> Decided:
    """Which inputs keep the proxy's guess, so that enough of all rows have the exact model's answer.

    margins: the higher, the surer the guess; the rest as in filtered().
    """
    search = _Search(margins, ask, known, counts, ids, seed)
    inside = np.isfinite(margins) & ~search.asked
    upper = Tail(-margins, inside, search.counts, 1 - probability) if agreement < 1 else None
    n_rows = float(search.counts.sum())

    def allowed(_: float) -> tuple[float, float]:
        return 0.0, (1 - agreement) * n_rows

    def errors(answers: Ints) -> tuple[Bools, Bools]:
        return np.zeros(len(answers), dtype=np.bool_), answers != guesses

    search.run(None, upper, None, allowed, lambda: 0.0, errors, lambda: 0.0)
    return search.decided(None, upper, recall=None, precision=None, agreement=agreement, probability=probability)


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
        found = np.bincount(self.bins[chosen], weights=values[chosen], minlength=len(self.cuts))
        return np.cumsum(found).astype(np.int64)

    def draw(self, inputs: Ints, is_wrong: Bools) -> None:
        """Rows drawn: the input of each."""
        bins = self.bins[inputs]
        for counter, kept in ((self.drawn, bins >= 0), (self.wrong, (bins >= 0) & is_wrong[inputs])):
            counter += np.cumsum(np.bincount(bins[kept], minlength=len(self.cuts)))

    def passed(self, allowed: float) -> int:
        """How many sets, from the smallest on, hold no more errors than allowed, which may be less than is true."""
        least = math.floor(allowed + 1e-9) + 1
        self._excluded |= log_evidence(self.sizes, self.drawn, self.wrong, least) >= -math.log(self.delta)
        return _leading(self._excluded)

    def would_pass(self, allowed: float, share: float) -> int:
        """The same if another share of what is left were drawn, with errors at a rate on the lucky side of what was
        seen: giving up too soon is dearer than a look too many."""
        least = math.floor(allowed + 1e-9) + 1
        more = np.floor((self.sizes - self.drawn) * share).astype(np.int64)
        rate = (self.wrong - np.sqrt(self.wrong)) / np.maximum(self.drawn, 1)
        wrong = self.wrong + np.round(more * rate).astype(np.int64)
        found = log_evidence(self.sizes, self.drawn + more, wrong, least)
        return _leading(self._excluded | (found >= -math.log(self.delta)))

    def most_errors(self) -> int:
        """An upper bound for the errors of the largest set, at any time."""
        low, high = int(self.wrong[-1]), self._most
        while low < high:  # the bound is low at last: "more than low" is given up, "low or more" is not
            middle = (low + high) // 2
            found = log_evidence(self.sizes[-1:], self.drawn[-1:], self.wrong[-1:], middle + 1)
            low, high = (low, middle) if found[0] >= -math.log(self.delta) else (middle + 1, high)
        self._most = low
        return low

    def cut(self, n_sets: int) -> float:
        return float(self.cuts[n_sets - 1])


def log_evidence(sizes: Ints, drawn: Ints, wrong: Ints, least: int) -> Numbers:
    """The logarithm of the evidence against "at least `least` errors in the set", one number for each set.

    Half of the weight stands on no error at all, the rest evenly on 1, 2, 4, … errors.
    """
    n_powers = max(int(sizes.max(initial=1)), 1).bit_length()
    atoms = np.concatenate([[0], 2 ** np.arange(n_powers)])[:, None]
    usable = np.arange(n_powers)[:, None] < np.array([int(n).bit_length() for n in sizes])[None, :]
    weights = np.concatenate([np.full((1, len(sizes)), 0.5), 0.5 * usable / np.maximum(usable.sum(axis=0), 1)])
    with np.errstate(divide="ignore"):
        terms = np.log(weights) + _log_likelihood(sizes, drawn, wrong, atoms)
        top = np.maximum(terms.max(axis=0), -1e300)
        mean = top + np.log(np.exp(terms - top).sum(axis=0))
    given_least = _log_likelihood(sizes, drawn, wrong, np.full((1, 1), least))[0]
    # Unless the likelihood falls from `least` on, more errors would fit still better what was found.
    falls = (drawn * (least + 1.0) > wrong * (sizes + 1.0)) & (least > wrong)
    with np.errstate(invalid="ignore"):
        evidence = np.where(falls, mean - given_least, -np.inf)
    return np.where(least - wrong > sizes - drawn, np.inf, evidence)


def _log_likelihood(sizes: Ints, drawn: Ints, wrong: Ints, errors: Ints) -> Numbers:
    """log of C(N-k, M-x) / C(N, M), -inf where M cannot be. errors broadcasts against the sets."""
    left, hidden = sizes - drawn, errors - wrong
    can_be = (hidden >= 0) & (hidden <= left)
    hidden = np.where(can_be, hidden, 0)
    total = np.where(can_be, errors, 0)
    found = _log_choose(left, hidden) - _log_choose(np.broadcast_to(sizes, total.shape), total)
    return np.asarray(np.where(can_be, found, -np.inf))


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


class _Search:
    """One run: what was asked so far, and what to ask next."""

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
        self.row_inputs = _drawing_order(
            opened, self.counts[opened], np.arange(n, dtype=np.uint64) if ids is None else ids, seed
        )
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
        """TRUE rows, as far as can be told: for what is to be drawn next, not for what is promised."""
        true = float((self.counts * (self.answers == 1)).sum())
        unasked = np.flatnonzero(~self.asked)
        if not len(unasked) or not self.n_drawn:
            return true
        seen = self.row_inputs[: self.n_drawn]
        finite = np.nan_to_num(self.scores, nan=0.0)
        edges = np.unique(np.quantile(finite[seen], np.linspace(0, 1, 1 + min(20, 1 + len(seen) // 20))))[1:-1]
        bins, n_bins = np.searchsorted(edges, finite), len(edges) + 1
        drawn = np.bincount(bins[seen], minlength=n_bins)
        found = np.bincount(bins[seen], weights=self.answers[seen] == 1, minlength=n_bins)
        left = np.bincount(bins[unasked], weights=self.counts[unasked], minlength=n_bins)
        return float(true + (left * found / np.maximum(drawn, 1)).sum() + 0.5 * left.sum() / (len(seen) + 1))

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
        """What is not asked and the proxy would not decide."""
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
            found = n_unasked - decided + share * decided
            if found < cost - 1e-9:
                cost = found
                best = (float(share), sets.get(id(lower), 0), sets.get(id(upper), 0))
        return best

    def decided(
        self,
        lower: Tail | None,
        upper: Tail | None,
        *,
        recall: float | None,
        precision: float | None,
        agreement: float | None,
        probability: float,
    ) -> Decided:
        accepted = np.zeros(self.n, dtype=np.bool_)
        if upper is not None and self.n_upper:
            accepted = ~self.asked & (upper.bins >= 0) & (upper.bins < self.n_upper)
        below = _shown(lower, self.n_lower)
        over = _shown(upper, self.n_upper)
        certificate = Certificate(
            recall, precision, agreement, probability,
            rows=int(self.counts.sum()), inputs=self.n, asked=int(self.asked.sum()), trained=self.n_known,
            drawn_rows=self.n_drawn, seed=self.seed,
            lower=None if lower is None or not self.n_lower else lower.cut(self.n_lower),
            upper=None if upper is None or not self.n_upper else -upper.cut(self.n_upper),
            lower_rows=below[0], lower_drawn=below[1], lower_wrong=below[2],
            upper_rows=over[0], upper_drawn=over[1], upper_wrong=over[2],
        )  # fmt: skip
        return Decided(self.asked, self.answers, accepted, certificate)


def _shown(tail: Tail | None, n_sets: int) -> tuple[int, int, int]:
    if tail is None or not n_sets:
        return 0, 0, 0
    return int(tail.sizes[n_sets - 1]), int(tail.drawn[n_sets - 1]), int(tail.wrong[n_sets - 1])


def _drawing_order(inputs: Ints, counts: Sequence[int] | Ints, ids: Ids, seed: int) -> Ints:
    """The input of every row, in the order in which rows are drawn: by a hash of the input, of which of its rows it is,
    and of the seed. So the same rows come first when others are added."""
    owners = np.repeat(inputs, counts)
    copies = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    salt = mixed(np.array([seed], dtype=np.uint64))
    return owners[np.argsort(mixed(ids[owners] ^ mixed(copies.astype(np.uint64) ^ salt)), kind="stable")]


def mixed(numbers: Ids) -> Ids:
    """SplitMix64's finalizer (Steele, Lea and Flood 2014): every bit of the result hangs on every bit of the number."""
    z = numbers + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
