"""One question about many inputs: from memory, from the store, or computed by whoever claims it first, and then kept.

The only place that knows what "known" means: nothing had to be computed for it, and no other thread of the same call
has just computed it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from inlay.arrays import Bools, Ints
from inlay.engine.answers import Gathered, Rows
from inlay.engine.cancel import Token
from inlay.engine.limits import Limits
from inlay.engine.question import Question
from inlay.engine.result_cache import ResultCache
from inlay.store.inputs import Inputs, with_inputs
from inlay.store.result_set import ResultSet
from inlay.store.results import Store

OnProgress = Callable[[float, int], None]
"""on_progress(share, tokens): a further share of the inputs is done, for so many tokens that a model read and wrote;
for none where the answers were known."""


@dataclass
class Usage:
    """What answers took. tokens, output_tokens: read and written. truncated: texts that were cut at the model's limit.
    repaired: replies that were read though they were not quite what was asked for. loading_seconds: spent on loading
    the model."""

    tokens: int = 0
    output_tokens: int = 0
    truncated: int = 0
    repaired: int = 0
    loading_seconds: float = 0.0

    def add(self, other: Usage) -> None:
        self.tokens += other.tokens
        self.output_tokens += other.output_tokens
        self.truncated += other.truncated
        self.repaired += other.repaired
        self.loading_seconds += other.loading_seconds


@dataclass
class Finished:
    """Some of the inputs that an executor was given. places: of those that were answered, with `rows` for them. errors:
    by place, why others were not. pending: places that nobody has asked a model about. known: for every place of the
    inputs whether it had to be computed, where that is not so of all of them."""

    places: Ints
    rows: Rows
    errors: dict[int, str] = field(default_factory=dict)
    pending: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    known: Bools | None = None
    usage: Usage = field(default_factory=Usage)


class Executor(Protocol):
    """Answers inputs that nobody knows. claims: whether it computes them, so that no one else should meanwhile."""

    @property
    def claims(self) -> bool: ...

    def run(self, question: Question, inputs: Inputs, work: Work) -> Iterator[Finished]:
        """Answers as they come; each input is in one of them. Inputs are distinct. Raises ModelError when the model
        cannot be loaded or refuses everything, BudgetExceededError before a limit would be passed, after what was
        finished until then, and InterruptedQueryError when cancelled."""
        ...


@dataclass(frozen=True)
class Work:
    """What questions are resolved with. owner: a number for the call of a statement, whose own results are not "known"
    to it; it tells the store that it need not look for new results at every chunk. keep_numbers: store what models
    computed, and not only the answers made of it. keep_inputs: store inputs beside their keys. n_inputs: of the call
    that a question is part of, where that is not asked about all of them; progress is a share of these.
    most_loaded_bytes: what all loaded models may take together."""

    executor: Executor
    cache: ResultCache
    store: Store | None = None
    limits: Limits = field(default_factory=Limits)
    cancel: Token = field(default_factory=Token)
    owner: int | None = None
    on_progress: OnProgress | None = None
    keep_numbers: bool = True
    keep_inputs: bool = False
    n_inputs: int = 0
    most_loaded_bytes: int | None = None

    def progressed(self, share: float, tokens: int) -> None:
        if self.on_progress is not None:
            self.on_progress(share, tokens)

    def result_set(self, question: Question) -> ResultSet | None:
        return None if self.store is None else question.result_set_in(self.store)


@dataclass
class Resolved:
    """One answer for each input, in their order. rows: as the question's codec holds them. errors: by place, why there
    is none. pending: where no model was asked. known: where nothing had to be computed."""

    rows: Rows
    errors: dict[int, str]
    known: Bools
    pending: Bools
    usage: Usage


def resolve(
    question: Question, inputs: Inputs, work: Work, *, keep: bool = True, usage: Usage | None = None
) -> Resolved:
    """Answers to all inputs. keep: whether what is computed goes into the store. usage: where what it takes is added.
    Raises what Executor.run raises; what was finished before is kept, and counted."""
    distinct, inverse = inputs.each_once()
    resolving = _Resolving(question, distinct, work, keep, Usage() if usage is None else usage)
    resolving.run()
    found = resolving.resolved
    if inverse is None:
        return found
    rows = _taken(found.rows, inverse)
    errors = {i: found.errors[int(w)] for i, w in enumerate(inverse) if int(w) in found.errors} if found.errors else {}
    return Resolved(rows, errors, found.known[inverse], found.pending[inverse], found.usage)


class _Resolving:
    """One run of resolve(), over distinct inputs."""

    def __init__(self, question: Question, inputs: Inputs, work: Work, keep: bool, usage: Usage) -> None:
        self.question = question
        self.inputs = inputs
        self.work = work
        self.result_set = work.result_set(question)
        self.kept_in = self.result_set if keep else None
        self.gathered: Gathered = question.answers.gather(len(inputs))
        self.known = np.ones(len(inputs), dtype=np.bool_)
        self.pending = np.zeros(len(inputs), dtype=np.bool_)
        self.errors: dict[int, str] = {}
        self.usage = usage

    @property
    def resolved(self) -> Resolved:
        return Resolved(self.gathered.rows, self.errors, self.known, self.pending, self.usage)

    def run(self) -> None:
        missing = self.from_store(self.from_cache(np.arange(len(self.inputs))))
        if len(missing) < len(self.inputs):
            self.work.progressed((len(self.inputs) - len(missing)) / self.of_all, 0)
        if not self.question.answers.cached or not self.work.executor.claims:
            self.compute(missing)
            return
        while len(missing):
            keys, claim = self.cache_keys(missing), threading.Event()
            try:
                mine, others = self.work.cache.claim(keys, claim)
                self.compute(missing if len(mine) == len(missing) else missing[mine])
            finally:
                self.work.cache.release(keys, claim)
            for event in set(others.values()):
                _await(event, self.work.cancel)
            # Whatever another thread failed at is tried here once more, so that its error is listed here as well.
            missing = self.from_cache(missing[list(others)])

    @property
    def of_all(self) -> int:
        """What a share of is told as progress."""
        return max(len(self.inputs), self.work.n_inputs)

    @cached_property
    def all_cache_keys(self) -> list[bytes]:
        return self.question.cache_keys(self.inputs.keys)

    def cache_keys(self, places: Ints) -> list[bytes]:
        keys = self.all_cache_keys
        return keys if _are_all(places, len(keys)) else [keys[place] for place in places.tolist()]

    def from_cache(self, places: Ints) -> Ints:
        """Takes what memory has; gives the places that it does not have."""
        signed = bytes.fromhex(self.question.signature)
        if not self.question.answers.cached or not len(places) or not self.work.cache.has_answers_to(signed):
            return places
        whole = _are_all(places, len(self.inputs))
        held = self.gathered if whole else self.question.answers.gather(len(places))
        missing, own = self.work.cache.lookup(self.cache_keys(places), held.rows, self.work.owner)
        self.known[places[own]] = False
        if not whole and len(missing) < len(places):
            here = np.setdiff1d(np.arange(len(places)), missing, assume_unique=True)
            self.gathered.put(places[here], _taken(held.rows, here))
        return places[missing] if missing else places[:0]

    def from_store(self, places: Ints) -> Ints:
        """The same of the store."""
        if self.result_set is None or not len(places):
            return places
        self.result_set.refresh(self.work.owner)
        keys = self.inputs.keys if _are_all(places, len(self.inputs)) else self.inputs.keys[places]
        at, table = self.result_set.find(keys, self.question.answers.schema)
        if table is None:
            return places
        good, rows = self.question.answers.from_table(table)
        at = at[good]
        self.gathered.put(places[at], rows)
        unknown = np.ones(len(places), dtype=np.bool_)
        unknown[at] = False
        return places[unknown]

    def compute(self, places: Ints) -> None:
        if not len(places):
            return
        self.known[places] = False
        asked = self.inputs if _are_all(places, len(self.inputs)) else self.inputs.take(places)
        share = len(places) / self.of_all
        work = replace(self.work, on_progress=lambda part, tokens: self.work.progressed(part * share, tokens))
        for finished in work.executor.run(self.question, asked, work):
            self.refuse_faults(finished)
            self.usage.add(finished.usage)
            self.errors.update({int(places[i]): reason for i, reason in finished.errors.items()})
            self.pending[places[finished.pending]] = True
            if finished.known is not None:
                self.known[places] = finished.known
            if len(finished.places):
                self.gathered.put(places[finished.places], finished.rows)
                self.publish(asked, places, finished)

    def refuse_faults(self, finished: Finished) -> None:
        """The one check between models and functions: what is no answer fails its input, and is kept nowhere."""
        faults = self.question.answers.faults(finished.rows) if len(finished.places) else {}
        if faults:
            finished.errors.update({int(finished.places[i]): reason for i, reason in faults.items()})
            finished.places, finished.rows = _without(faults, finished.places, finished.rows)

    def publish(self, asked: Inputs, places: Ints, finished: Finished) -> None:
        """To memory and to the store."""
        question, work = self.question, self.work
        if question.answers.cached:
            work.cache.publish(self.cache_keys(places[finished.places]), finished.rows, work.owner)
        if self.kept_in is None or work.store is None or not work.store.writable:
            return
        table = question.answers.to_table(finished.rows)
        whole = _are_all(finished.places, len(asked))
        if work.keep_inputs:
            table = with_inputs(table, asked if whole else asked.take(finished.places))
        work.store.publish(self.kept_in, asked.keys[finished.places], table)


def _taken(rows: Rows, places: Ints) -> Rows:
    return rows[places] if isinstance(rows, np.ndarray) else [rows[place] for place in places.tolist()]


def _without(faults: Iterable[int], places: Ints, rows: Rows) -> tuple[Ints, Rows]:
    """Places and their rows but those with a fault. faults: by place among these."""
    good = np.setdiff1d(np.arange(len(places)), list(faults), assume_unique=True)
    return places[good], _taken(rows, good)


def _await(event: threading.Event, cancel: Token) -> None:
    while not event.wait(0.1):
        cancel.check()


def _are_all(places: Ints, n: int) -> bool:
    """Whether these distinct places are all n, in order: rows come in the order in which they are finished."""
    return len(places) == n and bool((places[1:] > places[:-1]).all())
