"""Answers within targets: a cheap proxy decides where it is sure, the call's own model decides the rest.

The proxy is an embedding model with a small head (head.py), fitted to what the exact model says of some inputs. Which
inputs the proxy may decide, and why the targets hold, is in guarantee.py; nothing here bears on that, only on how many
inputs the exact model is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inlay.backends.base import Bools, Floats, Ints
from inlay.errors import ConfigError
from inlay.functions.contract import Ask, AskInputs, Call, Cascade, Routed, softmax
from inlay.functions.guarantee import FAILED, AskExact, Decided, Ids, classified, filtered, mixed
from inlay.functions.head import fit_head
from inlay.functions.labels import Labels
from inlay.types import ModelRef

TARGETS = ("recall", "precision", "agreement")
DEFAULT_PROBABILITY = 0.95

# With fewer inputs what has to be asked to learn anything is most of them.
LEAST_INPUTS = 128

# Cosines to labels differ by some hundredths; this spreads them into shares that a head can correct. Of 10, 20 and 40,
# 10 left the most inputs to the proxy on banking77 and on SNIPS.
_SHARPNESS = 10.0

# The cosine to a predicate, in standard deviations, as one more feature beside a unit vector.
_COSINE_WEIGHT = 0.5


@dataclass(frozen=True)
class Targets:
    """recall and precision for a filter, agreement for labels; None is 1."""

    recall: float | None
    precision: float | None
    agreement: float | None
    probability: float


def has_targets(options: Mapping[str, Any]) -> bool:
    return any(options.get(name) is not None for name in TARGETS)


def call_targets(call: Call) -> Targets | None:
    """None where the call has no targets. Raises ConfigError for values that promise nothing, and for a proxy that
    cannot be one."""
    given = {name: _share(call, name) for name in TARGETS}
    probability = _share(call, "probability")
    if probability == 1:
        raise ConfigError(
            f"{call.function}: probability is 1. A sample can promise less than certainty only; for certainty leave "
            "the targets out, and the exact model answers every row."
        )
    if not has_targets(call.options):
        return None
    named = next(name for name in TARGETS if given[name] is not None)
    if call.proxy is None:
        raise ConfigError(f"{call.function}: {named} is given, but no proxy. Name an embedding model: proxy := '…'.")
    if call.model.fingerprint == call.proxy.fingerprint:
        raise ConfigError(
            f"{call.function}: {named} is given, but the exact model and the proxy are the same, {call.model.name!r}. "
            "Name the model whose answers you want with model := '…'; an embedding model stands in where it is sure."
        )
    if call.model.task == "embed":
        raise ConfigError(
            f"{call.function}: {named} is given, but the exact model {call.model.name!r} is an embedding model, which "
            "costs no less than a proxy. Name an NLI model or a classifier with model := '…', or leave targets out."
        )
    if call.proxy.task != "embed":
        raise ConfigError(
            f"{call.function}: the proxy {call.proxy.name!r} is no embedding model (its task is {call.proxy.task!r}). "
            "Name one with proxy := '…'; without it the default model is taken."
        )
    return Targets(**given, probability=DEFAULT_PROBABILITY if probability is None else probability)


def _share(call: Call, name: str) -> float | None:
    value = call.options.get(name)
    if value is None:
        return None
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = -1.0
    if isinstance(value, bool) or not 0 < share <= 1:
        raise ConfigError(f"{call.function}: {name} is {value!r}; it must be a number above 0 and at most 1.")
    return share


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
    """Each predicate is a question of its own: its own head, thresholds and certificate."""

    proxy: ModelRef
    targets: Targets

    def __call__(
        self, columns: list[list[str]], ask: Ask, exact: AskInputs, *, ids: Ids, counts: Ints, seed: int
    ) -> Routed:
        texts, predicates = columns
        read, said = ask.vectors(texts), ask.vectors(predicates, "query")
        cosines = np.einsum("ij,ij->i", read.rows, said.rows).astype(np.float64)
        cosines[[*read.errors, *said.errors]] = np.nan
        asked = np.zeros(len(texts), dtype=np.bool_)
        values: list[Any] = [None] * len(texts)
        certificates = []
        for predicate in dict.fromkeys(predicates):
            places = np.array([i for i, other in enumerate(predicates) if other == predicate], dtype=np.int64)

            def answers(some: Ints, places: Ints = places) -> Ints:
                return np.array([FAILED if yes is None else int(yes) for yes in exact(places[some])], dtype=np.int64)

            part = _Part(read.rows[places], ids[places], counts[places], seed, answers)
            decided = self._decide(part, cosines[places])
            asked[places] = decided.asked
            for place, accepted in zip(places, decided.accepted, strict=True):
                values[place] = bool(accepted)
            certificates.append((predicate, decided.certificate))
        return Routed(asked, values, read.known & said.known, certificates)

    def _decide(self, part: _Part, cosines: Floats) -> Decided:
        finite = np.isfinite(cosines)
        scores, split = np.asarray(cosines, dtype=np.float64), np.inf
        known = None
        if finite.sum() >= LEAST_INPUTS:
            top = finite & (cosines >= np.quantile(cosines[finite], 0.8))
            places = part.examples(_n_examples(int(finite.sum()), 2), finite, top)
            known = places, part.exact(places)
            good = places[known[1] != FAILED]
            wanted = known[1][known[1] != FAILED, None].astype(np.float32)
            if len(np.unique(wanted)) == 2:
                spread = (cosines - cosines[finite].mean()) / max(float(cosines[finite].std()), 1e-6)
                features = np.concatenate([part.vectors, _COSINE_WEIGHT * spread[:, None]], axis=1).astype(np.float32)
                head = fit_head(features[good], wanted)
                scores = np.where(finite, head.scores(np.nan_to_num(features))[:, 0], np.nan).astype(np.float64)
                split = _split(head.left_out[:, 0], wanted[:, 0] == 1)
        else:
            scores = np.full(len(cosines), np.nan)
        return filtered(
            scores, part.exact, recall=self.targets.recall, precision=self.targets.precision,
            probability=self.targets.probability, split=split, known=known, counts=part.counts, ids=part.ids,
            seed=part.seed,
        )  # fmt: skip


@dataclass(frozen=True)
class _LabelCascade:
    proxy: ModelRef
    targets: Targets
    labels: Labels

    def __call__(
        self, columns: list[list[str]], ask: Ask, exact: AskInputs, *, ids: Ids, counts: Ints, seed: int
    ) -> Routed:
        from inlay.functions.classify import label_vectors

        codes = {name: code for code, name in enumerate(self.labels.names)}

        def answers(some: Ints) -> Ints:
            return np.array([FAILED if name is None else codes[name] for name in exact(some)], dtype=np.int64)

        read = ask.vectors(columns[0])
        prior = softmax(np.float32(_SHARPNESS) * (read.rows @ label_vectors(self.labels, self.proxy.template, ask).T))
        finite = np.ones(len(columns[0]), dtype=np.bool_)
        finite[list(read.errors)] = False
        part = _Part(read.rows, ids, counts, seed, answers)
        known, shares = None, prior
        if enough := int(finite.sum()) >= LEAST_INPUTS:
            places = part.examples(_n_examples(int(finite.sum()), len(codes)), finite)
            known = places, part.exact(places)
            good = known[1] != FAILED
            if good.any():
                wanted = np.zeros((int(good.sum()), len(codes)), dtype=np.float32)
                wanted[np.arange(len(wanted)), known[1][good]] = 1
                head = fit_head(part.vectors[places[good]], wanted, prior[places[good]])
                shares = head.scores(part.vectors, prior)
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

    vectors: Floats
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
    return min(n // 10, max(128, 4 * n_answers, n // 50), 1024)


def _split(scores: Floats, is_true: Bools) -> float:
    """The score from which on TRUE is the better guess, with the fewest errors among the examples."""
    order = np.argsort(scores, kind="stable")
    # Errors with the first i examples called FALSE.
    errors = np.concatenate([[0], np.cumsum(is_true[order])]) + np.concatenate(
        [np.cumsum(~is_true[order][::-1])[::-1], [0]]
    )
    best = int(errors.argmin())
    return float(scores[order[best]]) if best < len(order) else float("inf")
