"""Which inputs a cheap proxy may decide, so that a target holds with a stated probability. Pure: numbers in, decisions
out; the exact model is reached through `ask` alone.

The contract. Rows are fixed, and so is what the exact model would say of each; the only chance is in which rows are
drawn at random to be asked. Over that chance, with at least `probability`:

    recall      rows given TRUE that the exact model calls TRUE, of all rows that it calls TRUE
    precision   rows given TRUE that the exact model calls TRUE, of all rows given TRUE
    agreement   rows whose answer is the exact model's, of all rows

are each at least their target, however bad the proxy is. An input that occurs in several rows counts as often as it
occurs. An input that the exact model was asked about, for whatever reason, has that model's answer. A target that is
not given is 1: on that side the proxy decides nothing.

How. The problem and its name are of Kang et al. (SUPG, PVLDB 13, 2020), whose bounds hold for large samples only; that
bounds must hold at any sample size, and that sampling may go on until they do, is of Zeighami et al. (BARGAIN, SIGMOD
2026, arXiv 2509.02896). Here:

1. The proxy's scores order the rows, and sets S1 < S2 < ... of the rows that it is surest of, each within the next, are
   fixed before anything is drawn: the lowest scores (it would say FALSE), the highest (TRUE), or the widest margins.
   Rows are then drawn, at random and without replacement, and asked.
2. The proxy's errors in a set of N rows are an unknown number M. When k of its rows were drawn and x errors seen,
       P(what was seen | M) = C(N-k, M-x) / C(N, M),
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

How many errors are allowed follows from L, a lower bound for the TRUE rows that are given TRUE in the end: those seen,
and where the proxy may say TRUE, a bound of the same kind for the rows above `split`, which are all asked or given
TRUE. missed <= (1 - recall) / recall L and wrong <= recall (1 - precision) / precision L give both targets. For 3 the
set that has to pass must not depend on the draws: with P TRUE rows in all it is the first that holds more than
(1 - recall) P errors, and where more are missed than that, L < recall P at all times, so what is allowed is less. With
two targets half of 1 - probability goes to what is missed, a quarter to what is wrong and a quarter to that bound.

With recall alone and one statement, feedback.py asks fewer.

Steps 2 and 3 are in nested_sets.py, the drawing in search.py. When to go on drawing is decided by estimates
(`Search.plan`), which cost or save calls and cannot break the above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inlay.arrays import Bools, Ids, Ints, Numbers
from inlay.functions.cascade.nested_sets import Tail
from inlay.functions.cascade.search import AskExact, Search

METHOD = "prior-posterior-ratio martingale, nested sets"


@dataclass(frozen=True)
class Certificate:
    """What was promised, and the counts behind it.

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
    """answers: the exact model's, where it was asked. accepted: where it was not, whether the proxy's TRUE (its guess)
    is the answer; False there means the proxy's FALSE."""

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
    where on the proxy itself would say TRUE; a bad one costs calls. known: positions that the exact model has already
    answered, and its answers, such as those that the proxy was fitted to; they may have been chosen in any way but by
    the draw. counts: rows of each input. ids: a number that identifies the input; with the seed it decides which rows
    are drawn, so that the same inputs are drawn when others are added.
    """
    search = Search(scores, ask, known, counts, ids, seed)
    delta = 1 - probability
    both = (recall or 1) < 1 and (precision or 1) < 1
    inside = np.isfinite(scores) & ~search.asked
    kept = 1.0 if recall is None else recall
    lower = upper = above = None
    if recall is not None and recall < 1:
        # The inputs that the proxy may call TRUE belong to the other tail.
        below = inside & (scores < split) if both else inside
        lower = Tail(scores, below, search.counts, delta / 2 if both else delta)
    if precision is not None and precision < 1:
        over = inside & (scores >= split)
        share = delta / 4 if both else delta / 2
        upper = Tail(-scores, over, search.counts, share)
        above = Tail(-scores, over, search.counts, share, sets=1)
    wrong_of_true = 0.0 if precision is None else kept * (1 - precision) / precision

    def allowed(true_rows: float) -> tuple[float, float]:
        return (1 - kept) / kept * true_rows, wrong_of_true * true_rows

    def least_true() -> float:
        true = search.counts * (search.answers == 1)
        if above is None or not above.rows:
            return float(true.sum())
        inside_above = above.bins == 0
        least_above = max(true[inside_above].sum(), above.rows - above.most_errors())
        return float(true[~inside_above].sum() + least_above)

    def errors(answers: Ints) -> tuple[Bools, Bools]:
        return answers == 1, answers != 1

    search.run(lower, upper, above, allowed, least_true, errors, search.estimated_true)
    return _decided(search, lower, upper, recall=recall, precision=precision, agreement=None, probability=probability)


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
    search = Search(margins, ask, known, counts, ids, seed)
    inside = np.isfinite(margins) & ~search.asked
    upper = Tail(-margins, inside, search.counts, 1 - probability) if agreement < 1 else None
    n_rows = float(search.counts.sum())

    def allowed(_: float) -> tuple[float, float]:
        return 0.0, (1 - agreement) * n_rows

    def errors(answers: Ints) -> tuple[Bools, Bools]:
        return np.zeros(len(answers), dtype=np.bool_), answers != guesses

    search.run(None, upper, None, allowed, lambda: 0.0, errors, lambda: 0.0)
    return _decided(search, None, upper, recall=None, precision=None, agreement=agreement, probability=probability)


def _decided(
    search: Search,
    lower: Tail | None,
    upper: Tail | None,
    *,
    recall: float | None,
    precision: float | None,
    agreement: float | None,
    probability: float,
) -> Decided:
    accepted = np.zeros(search.n, dtype=np.bool_)
    if upper is not None and search.n_upper:
        accepted = ~search.asked & (upper.bins >= 0) & (upper.bins < search.n_upper)
    below = _shown(lower, search.n_lower)
    over = _shown(upper, search.n_upper)
    certificate = Certificate(
        recall, precision, agreement, probability,
        rows=int(search.counts.sum()), inputs=search.n, asked=int(search.asked.sum()), trained=search.n_known,
        drawn_rows=search.n_drawn, seed=search.seed,
        lower=None if lower is None or not search.n_lower else lower.cut(search.n_lower),
        upper=None if upper is None or not search.n_upper else -upper.cut(search.n_upper),
        lower_rows=below[0], lower_drawn=below[1], lower_wrong=below[2],
        upper_rows=over[0], upper_drawn=over[1], upper_wrong=over[2],
    )  # fmt: skip
    return Decided(search.asked, search.answers, accepted, certificate)


def _shown(tail: Tail | None, n_sets: int) -> tuple[int, int, int]:
    if tail is None or not n_sets:
        return 0, 0, 0
    return int(tail.sizes[n_sets - 1]), int(tail.drawn[n_sets - 1]), int(tail.wrong[n_sets - 1])
