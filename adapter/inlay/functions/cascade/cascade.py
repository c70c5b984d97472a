"""Answers within targets: a cheap proxy decides where it is sure, the call's own model decides the rest.

The proxy is an embedding model with a small head (proxy_head.py), fitted to the exact model's answers for some inputs.
Which inputs the proxy may decide, and why the targets hold, is in guarantee.py; what is decided here changes only how
many inputs the exact model is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inlay.arrays import Bools, Floats, Ids, Ints, Numbers
from inlay.errors import ConfigError
from inlay.functions.cascade.feedback import recalled
from inlay.functions.cascade.guarantee import Decided, classified, filtered
from inlay.functions.cascade.proxy_head import Head, fit_head
from inlay.functions.cascade.search import FAILED, AskExact, mixed
from inlay.functions.contract import Ask, AskInputs, Call, Cascade, Routed, softmax
from inlay.functions.label_vectors import label_vectors
from inlay.functions.labels import Labels
from inlay.models.ref import ModelRef
from inlay.store.inputs import Inputs

TARGETS = ("recall", "precision", "agreement")
DEFAULT_PROBABILITY = 0.95

# With fewer inputs, the exact model would have to be asked about most of them before anything is learned.
LEAST_INPUTS = 128

# Cosines to labels differ by some hundredths; this spreads them into shares that a head can correct. Of 10, 20 and 40,
# 10 left the most inputs to the proxy on banking77 and on SNIPS.
_SHARPNESS = 10.0

# The cosine to a statement, in standard deviations, as one more feature next to a unit vector.
_COSINE_WEIGHT = 0.5

# The same for the share of one statement among several. Of 10 and 20, 20 put more pairs in the right order on SNIPS and
# on all of banking77.
_STATEMENT_SHARPNESS = 20.0

# The share of the texts that may be likely TRUE, among which half of the first examples are looked for.
_LIKELY = 0.2

# Where examples are looked for batch by batch, so many come first, half of them at random; a head is fitted anew with a
# twentieth more.
_FIRST_EXAMPLES = 48
_GROWN = 1.05

# The mean and deviation of fewer values are too uncertain.
_FEW = 32

# A head of more examples takes seconds to fit and, over millions of pairs, minutes to apply.
_MOST_EXAMPLES = 1_024
_PAIRS_AT_A_TIME = 20_000


@dataclass(frozen=True)
class Targets:
    """recall and precision for a filter, agreement for labels; None is 1."""

    recall: float | None
    precision: float | None
    agreement: float | None
    probability: float

    @property
    def only_recall(self) -> bool:
        return (self.recall or 1) < 1 and (self.precision or 1) == 1


def has_targets(options: Mapping[str, Any]) -> bool:
    return any(options.get(name) is not None for name in TARGETS)


def call_targets(call: Call) -> Targets | None:
    """None where the call has no targets. Raises ConfigError for values out of range, and for a model that cannot be
    the proxy."""
    shares = {
        name: call.number(name, lambda number: 0 < number <= 1, "a number above 0 and at most 1")
        for name in (*TARGETS, "probability")
    }
    probability = shares.pop("probability")
    if probability == 1:
        raise ConfigError(
            f"{call.function}: probability is 1. A sample never gives certainty; for certainty leave the "
            "targets out, and the exact model answers every row."
        )
    if not has_targets(call.options):
        return None
    named = next(name for name in TARGETS if shares[name] is not None)
    if call.proxy is None:
        raise ConfigError(f"{call.function}: {named} is given, but no proxy. Name an embedding model: proxy := '…'.")
    if call.model.fingerprint == call.proxy.fingerprint:
        raise ConfigError(
            f"{call.function}: {named} is given, but the exact model and the proxy are the same, {call.model.name!r}. "
            "Name the model whose answers you want with model := '…'; the proxy answers only where it is sure."
        )
    if call.model.can("vectors"):
        raise ConfigError(
            f"{call.function}: {named} is given, but the exact model {call.model.name!r} is an embedding model, which "
            "costs no less than a proxy. Name an NLI model or a classifier with model := '…', or leave targets out."
        )
    if not call.proxy.can("vectors"):
        raise ConfigError(
            f"{call.function}: the proxy {call.proxy.name!r} is no embedding model (its task is {call.proxy.task!r}). "
            "Name one with proxy := '…', or leave it out: the default model is the proxy then."
        )
    return Targets(**shares, probability=DEFAULT_PROBABILITY if probability is None else probability)


def filter_cascade(call: Call) -> Cascade | None:
    targets = call_targets(call)
    return None if targets is None or call.proxy is None else _FilterCascade(call.proxy, targets)


def label_cascade(call: Call, labels: Labels) -> Cascade | None:
    targets = call_targets(call)
    if targets is None or call.proxy is None or len(labels.names) < 2:
        return None
    return _LabelCascade(call.proxy, targets, labels)


@dataclass(frozen=True)
class _FilterCascade:
    """All texts and statements of a call are one question: a join over many statements has few TRUE pairs for each, and
    a sample for each would be nearly all of them."""

    proxy: ModelRef
    targets: Targets

    def __call__(self, inputs: Inputs, ask: Ask, exact: AskInputs, *, ids: Ids, counts: Ints, seed: int) -> Routed:
        (texts, text), (statements, statement) = (_each_once(inputs.column(i)) for i in range(2))
        read, stated = ask.vectors(texts), ask.vectors(statements, "query")
        pairs = _Pairs(read.rows, stated.rows, text, statement)
        cosines = pairs.cosines()
        cosines[np.isin(text, list(read.errors)) | np.isin(statement, list(stated.errors))] = np.nan

        def answers(some: Ints) -> Ints:
            return np.array([FAILED if yes is None else int(yes) for yes in exact(some)], dtype=np.int64)

        decided = self._decide(_Part(ids, counts, seed, answers), pairs, cosines)
        question = statements.values()[0] if len(statements) == 1 else f"{len(statements):,} statements"
        known = read.known[text] & stated.known[statement]
        values: list[Any] = decided.accepted.tolist()
        return Routed(decided.asked, values, known, [(question, decided.certificate)])

    def _decide(self, part: _Part, pairs: _Pairs, cosines: Numbers) -> Decided:
        finite = np.isfinite(cosines)
        n, split, known = int(finite.sum()), np.inf, None
        if n >= LEAST_INPUTS and pairs.n_statements == 1 and self.targets.only_recall:
            return self._recalled(part, pairs, np.where(finite, cosines, 0.0), finite)
        scores = np.full(len(cosines), np.nan)
        if n >= LEAST_INPUTS:
            looks = pairs.looks(np.where(finite, cosines, 0.0))
            several = pairs.n_statements > 1
            # Of many statements, few are likely to hold for one text.
            share = min(_LIKELY, 2 / pairs.n_statements)
            likely = finite & (looks >= np.quantile(looks[finite], 1 - share))
            n_examples = min(n // 10, _MOST_EXAMPLES) if several else _n_examples(n, 2)
            places = part.examples(n_examples, finite, likely)
            known = places, part.exact(places)
            good = known[1] != FAILED
            if len(np.unique(known[1][good])) == 2:
                places, wanted = places[good], known[1][good] == 1
                head = fit_head(pairs.features(places, looks), wanted[:, None].astype(np.float32))
                # Where TRUE is rare, the head has seen few TRUE examples, all of them likely ones: it is used only if
                # it makes at most half of the ordering errors that the cosines alone make.
                alone, by_head = looks[places], head.left_out[:, 0]
                if several and 1 - separation(by_head, wanted) > (1 - separation(alone, wanted)) / 2:
                    split = _split(alone, wanted)
                else:
                    looks, split = pairs.scores(head, looks), _split(by_head, wanted)
            elif good.any() and known[1][good].all():
                split = -np.inf  # nothing says where FALSE begins, so the proxy would say TRUE of all
            scores = np.where(finite, looks, np.nan)
        return filtered(
            scores, part.exact, recall=self.targets.recall, precision=self.targets.precision,
            probability=self.targets.probability, split=split, known=known, counts=part.counts, ids=part.ids,
            seed=part.seed,
        )  # fmt: skip

    def _recalled(self, part: _Part, pairs: _Pairs, cosines: Numbers, finite: Bools) -> Decided:
        looks = pairs.looks(cosines)
        likely = finite & (looks >= np.quantile(looks[finite], 1 - _LIKELY))
        places = part.examples(_FIRST_EXAMPLES // 2, finite)
        answers = part.exact(places)
        likely[places] = False
        others = part.examples(_FIRST_EXAMPLES // 2, likely)
        known = np.concatenate([places, others]), np.concatenate([answers, part.exact(others)])
        assert self.targets.recall is not None
        return recalled(
            _Learner(pairs, looks), part.exact, recall=self.targets.recall, probability=self.targets.probability,
            known=known, share=float((answers == 1).mean()), usable=finite, counts=part.counts, ids=part.ids,
            seed=part.seed,
        )  # fmt: skip


class _Learner:
    """Scores of all pairs by what is known, with a head that is fitted anew where enough was added."""

    def __init__(self, pairs: _Pairs, looks: Numbers) -> None:
        self._pairs = pairs
        self._looks = looks
        self._scores = looks
        self._n_fitted = 0

    def __call__(self, places: Ints, answers: Ints) -> Numbers:
        good = places[answers != FAILED]
        wanted = answers[answers != FAILED] == 1
        if len(good) <= _MOST_EXAMPLES and len(good) >= _GROWN * self._n_fitted and wanted.any() and not wanted.all():
            head = fit_head(self._pairs.features(good, self._looks), wanted[:, None].astype(np.float32))
            self._scores, self._n_fitted = self._pairs.scores(head, self._looks), len(good)
        return self._scores


def _each_once(inputs: Inputs) -> tuple[Inputs, Ints]:
    """The distinct inputs, and which of them each is."""
    distinct, inverse = inputs.each_once()
    return distinct, np.arange(len(inputs)) if inverse is None else inverse


@dataclass(frozen=True)
class _Pairs:
    """Pairs of a text and a statement. texts, statements: their vectors. text, statement: of each pair, which ones."""

    texts: Floats
    statements: Floats
    text: Ints
    statement: Ints

    @property
    def n_statements(self) -> int:
        return len(self.statements)

    def _slices(self) -> Iterator[slice]:
        return (slice(start, start + _PAIRS_AT_A_TIME) for start in range(0, len(self.text), _PAIRS_AT_A_TIME))

    def cosines(self) -> Numbers:
        cosines = np.empty(len(self.text), dtype=np.float64)
        for part in self._slices():
            cosines[part] = np.einsum("ij,ij->i", self.texts[self.text[part]], self.statements[self.statement[part]])
        return cosines

    def looks(self, cosines: Numbers) -> Numbers:
        """How likely a pair is TRUE by its cosine alone, in standard deviations: where one text is paired with several
        statements, by its share among these, as if the text were classified; else among all pairs of its statement."""
        if len(self.text) == len(self.texts):
            return _in_deviations(cosines, self.statement)
        weights = np.exp(_STATEMENT_SHARPNESS * cosines)
        share = np.log(weights / np.bincount(self.text, weights=weights)[self.text])
        return _in_deviations(share, np.zeros_like(self.text))

    def features(self, places: Ints | slice, looks: Numbers) -> Floats:
        parts: list[Any] = [self.texts[self.text[places]], _COSINE_WEIGHT * looks[places, None]]
        if self.n_statements > 1:
            parts.append(self.statements[self.statement[places]])
        return np.concatenate(parts, axis=1).astype(np.float32)

    def scores(self, head: Head, looks: Numbers) -> Numbers:
        return np.concatenate([head.scores(self.features(part, looks))[:, 0] for part in self._slices()]).astype(
            np.float64
        )


def _in_deviations(values: Numbers, groups: Ints) -> Numbers:
    """For each value, how many standard deviations it is above the mean of its group, or of all where the group is
    small."""
    n = np.bincount(groups)
    mean = np.bincount(groups, weights=values) / np.maximum(n, 1)
    square = np.bincount(groups, weights=(values - mean[groups]) ** 2)
    few = n < _FEW
    mean[few], deviation = values.mean(), np.sqrt(square / np.maximum(n, 1))
    deviation[few] = values.std()
    return np.asarray((values - mean[groups]) / np.maximum(deviation, 1e-6)[groups])


def separation(scores: Numbers | Floats, is_true: Bools) -> float:
    """The chance that a TRUE one has a higher score than a FALSE one (the area under the ROC curve)."""
    ranks = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
    n_true = int(is_true.sum())
    return float((ranks[is_true].sum() - n_true * (n_true - 1) / 2) / max(1, n_true * (len(scores) - n_true)))


@dataclass(frozen=True)
class _LabelCascade:
    proxy: ModelRef
    targets: Targets
    labels: Labels

    def __call__(self, inputs: Inputs, ask: Ask, exact: AskInputs, *, ids: Ids, counts: Ints, seed: int) -> Routed:
        codes = {name: code for code, name in enumerate(self.labels.names)}

        def answers(some: Ints) -> Ints:
            return np.array([FAILED if name is None else codes[name] for name in exact(some)], dtype=np.int64)

        read = ask.vectors(inputs)
        prior = softmax(np.float32(_SHARPNESS) * (read.rows @ label_vectors(self.labels, self.proxy.template, ask).T))
        finite = np.ones(len(inputs), dtype=np.bool_)
        finite[list(read.errors)] = False
        part = _Part(ids, counts, seed, answers)
        known, shares = None, prior
        if enough := int(finite.sum()) >= LEAST_INPUTS:
            places = part.examples(_n_examples(int(finite.sum()), len(codes)), finite)
            known = places, part.exact(places)
            good = known[1] != FAILED
            if good.any():
                wanted = np.zeros((int(good.sum()), len(codes)), dtype=np.float32)
                wanted[np.arange(len(wanted)), known[1][good]] = 1
                head = fit_head(read.rows[places[good]], wanted, prior[places[good]])
                shares = head.scores(read.rows, prior)
        guesses = np.asarray(shares.argmax(axis=1), dtype=np.int64)
        ordered = np.partition(shares, -2, axis=1)
        margins = np.where(finite & enough, ordered[:, -1] - ordered[:, -2], np.nan).astype(np.float64)
        decided = classified(
            margins, guesses, part.exact, agreement=self.targets.agreement or 1.0,
            probability=self.targets.probability, known=known, counts=counts, ids=ids, seed=seed,
        )  # fmt: skip
        values = [self.labels.names[guess] for guess in guesses]
        return Routed(decided.asked, values, read.known, [(", ".join(self.labels.names), decided.certificate)])


@dataclass(frozen=True)
class _Part:
    """The inputs of one question, and the exact model for them."""

    ids: Ids
    counts: Ints
    seed: int
    exact: AskExact

    def examples(self, n: int, usable: Bools, likely: Bools | None = None) -> Ints:
        """Inputs to fit a head to: n at random, or half of them from those that are likely TRUE, which may be rare.
        Chosen by a hash that has nothing to do with the one that rows are drawn by."""
        order = np.argsort(mixed(self.ids ^ mixed(np.array([~self.seed & 0xFFFF_FFFF_FFFF_FFFF], dtype=np.uint64))))
        order = order[usable[order]]
        if likely is None:
            return np.sort(order[:n])
        first = order[: n // 2]
        others = np.setdiff1d(order[likely[order]], first, assume_unique=True)
        others = order[np.isin(order, others)][: n - len(first)]
        return np.sort(np.concatenate([first, others]))


def _n_examples(n: int, n_answers: int) -> int:
    return min(n // 10, max(128, 4 * n_answers, n // 50), _MOST_EXAMPLES)


def _split(scores: Floats, is_true: Bools) -> float:
    """The score from which on TRUE is the better guess, with the fewest errors among the examples."""
    order = np.argsort(scores, kind="stable")
    # Errors with the first i examples called FALSE.
    errors = np.concatenate([[0], np.cumsum(is_true[order])]) + np.concatenate(
        [np.cumsum(~is_true[order][::-1])[::-1], [0]]
    )
    best = int(errors.argmin())
    return float(scores[order[best]]) if best < len(order) else float("inf")
