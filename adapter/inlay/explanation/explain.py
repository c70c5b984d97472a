"""Explains a statement: the same plan as when it runs, and the same queries for its inputs, but no model answers them.

Answers that are known decide what comes after them. In the place of the others stand guesses, drawn as often as the
known answers of that call or by a stated assumption, so that what hangs on them can be estimated by DuckDB itself. The
guesses live in tables of the explanation alone; nothing goes to the ledger or to the store.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inlay.engine.foresight import NOT_INFERRED, ForeseenGeneration, Foresight
from inlay.engine.inference import Outcome
from inlay.engine.pool import loaded_models
from inlay.errors import BudgetExceededError, ConfigError, InlayError
from inlay.execution import statement as planned
from inlay.execution.ledger import Ledger
from inlay.execution.progress import Progress
from inlay.execution.records import LedgerRow
from inlay.execution.replacement_scan import variables, with_tables
from inlay.execution.runner import UNBOUND, Runner
from inlay.execution.session import Session
from inlay.explanation.cardinality import expected_rows
from inlay.explanation.cost import needs, speeds
from inlay.explanation.report import Explanation, Stage, Step, Time, Work
from inlay.functions.sentiment import SENTIMENTS
from inlay.models.ref import ModelRef
from inlay.parsing.calls import find_calls
from inlay.parsing.marks import numbers_in, replaced, unmarked
from inlay.parsing.statement import Call, Statement
from inlay.parsing.tokens import Text, first_word
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.evaluation import is_volatile
from inlay.planner.lookups import with_lookups
from inlay.planner.rules import Applied
from inlay.planner.rules.early_stop import EarlyStop
from inlay.planner.rules.order_calls import Chain
from inlay.planner.varying_schema import as_json_where_varying

ENOUGH = 30
"""Known answers of a call that may speak for its unknown ones: a share of them is within some 18 points, 19 times in
20. Below that an assumption stands, and says so."""

POOL = 10_000
"""Known answers of a call that guesses are drawn from."""


def explain(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any = None,
    *,
    analyze: bool = False,
    tables: Mapping[str, Any] | None = None,
) -> Explanation:
    """The plan of one statement. Without analyze nothing but queries of its inputs runs. Raises what DuckDB says of a
    statement that it would not run, and ConfigError for more statements than one.

    tables: variables that the statement may name as tables; those of the callers where none are given.
    """
    sql = as_json_where_varying(_single(con, sql), planned.specs_of(session))
    tables = variables(sql) if tables is None else tables
    said = _foreseen(session, con, sql, parameters, tables)
    return _analyzed(session, con, said, sql, parameters, tables) if analyze else said


def explained_statement(sql: str) -> tuple[Text, bool] | None:
    """(statement, whether to run it) of EXPLAIN and EXPLAIN ANALYZE. None for anything else, and for EXPLAIN with
    options in brackets, which is DuckDB's."""
    if first_word(sql) != "explain":
        return None
    text = Text.of(sql)
    found = text.words
    if len(found) < 2 or found[1].text == "(":
        return None
    analyze = found[1].lower in ("analyze", "analyse")
    if len(found) < 2 + analyze + 1:
        return None
    return text.part(found[1 + analyze].start, len(text)), analyze


def explain_rows(con: duckdb.DuckDBPyConnection, said: Explanation, method: str, alias: str = "") -> Any:
    """What con.execute() or con.sql() gives for EXPLAIN, in DuckDB's own columns: inlay's plan, then what DuckDB says
    of the statement that runs."""
    keys = ["inlay", *(key for key, _ in said.plans)]
    values = [str(said), *(value for _, value in said.plans)]
    return with_tables(
        con,
        "SELECT unnest($keys) AS explain_key, unnest($explained) AS explain_value",
        {}, {"keys": keys, "explained": values}, method, {"alias": alias} if method == "sql" else {},
    )  # fmt: skip


def _single(con: duckdb.DuckDBPyConnection, sql: str) -> Text:
    statements = con.extract_statements(sql)
    if len(statements) != 1:
        raise ConfigError(f"explain takes one statement; this text has {len(statements)}. Explain the last one alone.")
    query = str(statements[0].query)
    return Text.of(sql) if query == sql else Text(query)


def _foreseen(
    session: Session, con: duckdb.DuckDBPyConnection, sql: str, parameters: Any, tables: Mapping[str, Any]
) -> Explanation:
    foresight = _Foresight(session.inference)
    shadow = copy.copy(session)  # the same models and results; its own account, and no model runs in it
    shadow.inference, shadow.ledger, shadow.account = foresight, Ledger(), None
    shadow.generation = ForeseenGeneration(foresight)
    shadow.progress = Progress("off")
    try:
        runner = planned.runner_of(_DryRun, shadow, con, sql, parameters, tables)
        runner.run()
        prepared = runner.prepared()
        plans = _duckdb_plan(con, prepared.sql, prepared.tables, prepared.parameters)
    except Unplannable as reason:
        return _plain(session, con, sql, parameters, tables, str(reason))
    except UNBOUND as error:
        # Where the person's own statement is at fault, this raises.
        said = _plain(session, con, sql, parameters, tables, "")
        return replace(said, reason=f"DuckDB does not bind it with lookups: {str(error).splitlines()[0]}")
    times, cost = _times(session, foresight)
    plain = tuple(
        Step(_written(runner, number), reason)
        for number, reason in sorted(runner.reasons.items())
        if number not in runner.unforeseen
    )
    return Explanation(
        statement=sql,
        runs_as=prepared.sql,
        shape=_shape(runner, {number: place for place, number in enumerate(runner.answered(), 1)}),
        stages=tuple(runner.stages()),
        plain=plain,
        rules=tuple(Step(applied.rule, applied.note) for applied in runner.plan.applied),
        times=times,
        cost=cost,
        refused=_refused(session, times, cost),
        plans=plans,
        rows=_expected(session, con, sql),
    )


def _plain(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any,
    tables: Mapping[str, Any],
    reason: str,
) -> Explanation:
    """Of a statement that runs as it is."""
    plans = _duckdb_plan(con, sql, tables, parameters)
    plain = tuple(Step(call.text, "") for call in find_calls(sql, planned.specs_of(session)))
    return Explanation(sql, sql, reason=reason, plain=plain, plans=plans, rows=_expected(session, con, sql))


def _expected(session: Session, con: duckdb.DuckDBPyConnection, sql: str) -> int | None:
    called = find_calls(sql, planned.specs_of(session))
    return expected_rows(con, sql, tuple({call.function for call in called})) if called else None


def _duckdb_plan(
    con: duckdb.DuckDBPyConnection, sql: str, tables: Mapping[str, Any], parameters: Any, analyze: bool = False
) -> tuple[tuple[str, str], ...]:
    word = "EXPLAIN ANALYZE" if analyze else "EXPLAIN"
    rows = with_tables(con, f"{word} {sql}", tables, parameters, "execute").fetchall()
    return tuple((str(row[0]), str(row[1])) for row in rows)


def _times(session: Session, foresight: Foresight) -> tuple[tuple[Time, ...], float]:
    past = speeds(session)
    loaded = loaded_models()
    found = []
    cost = 0.0
    for needed in needs(foresight, past):
        cost += needed.cost
        speed = past.get(needed.ref.fingerprint)
        if speed is None or not speed.tokens_per_second:
            source = "no earlier run on this machine is known"
            found.append(Time(needed.ref.name, needed.inputs, needed.all_tokens, None, source))
            continue
        is_loaded = needed.ref.fingerprint in loaded
        seconds = needed.all_tokens / speed.tokens_per_second + (0.0 if is_loaded else speed.loading_seconds)
        source = "by earlier runs on this machine" + (", loading included" if not is_loaded else "")
        found.append(Time(needed.ref.name, needed.inputs, needed.all_tokens, seconds, source))
    return tuple(found), cost


def _refused(session: Session, times: tuple[Time, ...], cost: float) -> str:
    seconds = sum(time.seconds or 0.0 for time in times)
    try:
        session.inference.limits.foresee(
            sum(time.inputs for time in times), sum(time.tokens for time in times), seconds, cost
        )
    except BudgetExceededError as error:
        return str(error)
    return ""


def _written(runner: Runner, number: int) -> str:
    """A call as it stands in the person's statement."""
    call = runner.plan.statement.calls[number]
    given = [*call.arguments, *(f"{name} := {text}" for name, text in call.options.items())]
    return unmarked(f"{call.written}({', '.join(given)})", runner.names)


def _shape(runner: _Watched, places: Mapping[int, int]) -> str:
    """The statement as the rules leave it, with answer_1(…) where the answers of the first stage are looked up."""

    def short(number: int, arguments: list[str]) -> str:
        found = runner.answers.get(number)
        if found is None or found.kept or number not in places:
            return f"{runner.names[number]}({', '.join(arguments)})"
        return f"answer_{places[number]}({', '.join(arguments[at] for _, at in found.keys)})"

    return unmarked(replaced(runner.shown.text, short), runner.names)


class _Foresight(Foresight):
    """Tells apart the texts of rows from those of the call itself, which are labels and criteria."""

    def __init__(self, inference: Any) -> None:
        super().__init__(inference)
        self.asked: set[str] = set()
        self.missed: set[str] = set()

    def run(self, ref: ModelRef, texts: list[str], pairs: list[str] | None = None, **options: Any) -> Outcome:
        outcome = super().run(ref, texts, pairs, **options)
        self.asked.update(texts)
        self.missed.update(texts[i] for i in outcome.errors)
        return outcome


@dataclass
class _Guess:
    """Of the answers in one table: how many are guessed, of which known ones, or by which assumption."""

    unknown: int = 0
    pool: pa.Array | None = None
    assumed: str = ""

    def text(self, of: str) -> str:
        n = f"{self.unknown:,} answer{'s' * (self.unknown != 1)}"
        verb = "is" if self.unknown == 1 else "are"
        if self.assumed:
            return f"{n} of {of} {verb} not known yet; assumed here: {self.assumed}"
        known = 0 if self.pool is None else len(self.pool)
        return f"{n} of {of} {verb} not known yet; taken to be like {known:,} that are"


class _NotForeseen(Unplannable):
    """Rows that depend on a call which will only be made as rows come."""


class _Watched(Runner):
    """shown: the statement without the checks that stopping early puts into it, which say nothing to people."""

    streams = False  # so that what each call needs is counted, however it is answered

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._unguarded: Statement | None = None

    @property
    def shown(self) -> Statement:
        return self._unguarded or self.plan.statement

    def stop_early(self, stop: EarlyStop) -> bool:
        before = self.plan.statement
        done = super().stop_early(stop)
        if self.plan.statement is not before:
            self._unguarded = before
        return done


class _DryRun(_Watched):
    """A run in which guesses stand for the answers that are not known."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.undecided: set[int] = set()
        self.work: dict[int, Work] = {}
        self.models: dict[int, str] = {}
        self.guesses: dict[str, _Guess] = defaultdict(_Guess)
        self.reads: dict[int, set[int]] = defaultdict(set)
        self.unforeseen: dict[int, str] = {}
        self.asking = -1

    def stages(self) -> Iterator[Stage]:
        places = {number: place for place, number in enumerate(self.answered(), 1)}
        is_random = is_volatile(self.plan.statement.tree)
        for number, place in places.items():
            basis = [
                self.guesses[table].text(f"call {places[other]}")
                for other in sorted(self.reads[number], key=lambda n: places.get(n, 0))
                if (held := self.held.get(other)) is not None and self.guesses[table := held.table].unknown
            ]
            call = self.plan.statement.calls[number]
            if number in self.held and self.session.has_targets(call.spec.name, self.held[number].options):
                basis.append("within its targets a proxy decides some of them: the exact model is asked of no more")
            if number in self.undecided:
                basis.append("which of these is asked first is decided when it runs, by a sample of rows")
            if is_random:
                basis.append("the statement draws at random, and will draw anew")
            unforeseen = self.unforeseen.get(number)
            yield Stage(
                place,
                _written(self, number),
                self.models.get(number) or self.model_name(number),
                None if unforeseen else self.work.get(number, Work()),
                (unforeseen,) if unforeseen else tuple(dict.fromkeys(basis)),
                at=number,
            )

    def answered(self) -> list[int]:
        return [n for n in self.plan.stages if n in self.answers or n in self.unforeseen]

    def looked_up(self, text: str) -> str:
        for number in numbers_in(text):
            found = self.answers.get(number)
            # A query of the planner's own would run it, and so a model.
            if found is None or found.kept not in ("", "where"):
                raise _NotForeseen(reasons.waits_for(_written(self, number)))
        # What was not foreseen is asked of no model here: a lookup that finds nothing gives NULL.
        known = {number: replace(found, complete=True, kept="") for number, found in self.answers.items()}
        return with_lookups(text, known, self.names)

    def gathered(self, texts: Iterable[str], *given: Any) -> pa.RecordBatchReader:
        def noted() -> Iterator[str]:
            for text in texts:
                self.reads[self.asking] |= set(numbers_in(text))
                yield text

        return super().gathered(noted(), *given)

    def stage(self, number: int, texts: Iterable[str] | None = None) -> None:
        self.asking = number
        self.session.ledger = Ledger()
        try:
            super().stage(number, texts)
        except _NotForeseen as reason:
            self.unforeseen[number] = str(reason)
            raise
        self.unforeseen.pop(number, None)
        self.take_down(number)

    def join(self, number: int) -> None:
        self.session.ledger = Ledger()
        super().join(number)
        if number in self.answers and number not in self.work:
            self.take_down(number)

    def take_down(self, number: int) -> None:
        for row in self.session.ledger.rows():
            self.models[number] = row.model
            self.work[number] = self.work.get(number, Work()) + _work_of([row])

    def stop_early(self, stop: EarlyStop) -> bool:
        n_applied = len(self.plan.applied)
        done = super().stop_early(stop)
        for number in stop.numbers:  # how many rows are asked hangs on how many pass
            self.reads[number] |= set(stop.numbers)
        if len(self.plan.applied) > n_applied:
            note = f"rows are asked in order until {stop.wanted:,} pass{'es' * (stop.wanted == 1)}"
            self.plan.applied[n_applied:] = [Applied("stop_early", note)]
        return done

    def order(self, chain: Chain) -> None:
        statement, stages, n_applied = self.plan.statement, list(self.plan.stages), len(self.plan.applied)
        n_staged = len(self.staged)
        super().order(chain)
        numbers = {number for link in chain.links for number in link}
        if len(self.staged) > n_staged and any(self.guesses[self.held[number].table].unknown for number in numbers):
            self.plan.statement, self.plan.stages = statement, stages
            self.undecided = numbers
            note = f"which of {len(chain.links)} conditions with calls is asked first is decided when it runs"
            self.plan.applied[n_applied:] = [Applied("order_calls", note)]

    def ask(
        self,
        call: Call,
        held: Any,
        rows: list[pa.Array],
        options: dict[str, Any],
        detail: bool,
        n_rows: int,
        counts: pa.Array | None,
    ) -> pa.Array:
        foresight: Any = self.session.inference
        foresight.asked, foresight.missed = set(), set()
        found = super().ask(call, held, rows, options, True, n_rows, counts)
        valid = found.is_valid()
        unknown = np.array(pc.fill_null(pc.equal(found.field("error"), NOT_INFERRED), False), dtype=np.bool_)
        if call.spec.returns == "FLOAT[]":
            held.n_bytes += 4 * len(found) * self.session.model(self._model_of(found, held, call)).width
        # Known numbers of a row say nothing where those of the labels are missing.
        texts = [column.to_pylist() for column in rows]
        if foresight.missed - {text for column in texts for text in column}:
            unknown |= np.array([any(text in foresight.asked for text in row) for row in zip(*texts, strict=True)])
        unknown &= np.array(valid, dtype=np.bool_)
        values = self._guessed(call, held, found, unknown, texts)
        if not detail:
            return values
        fields = {kind.name: found.field(kind.name) for kind in found.type}
        fields["value"] = values
        fields["error"] = pc.if_else(pa.array(unknown), None, fields["error"])
        return pa.StructArray.from_arrays(list(fields.values()), names=list(fields), mask=pc.invert(valid))

    def _model_of(self, found: pa.StructArray, held: Any, call: Call) -> str:
        said = found.field("model").drop_null()
        return said[0].as_py() if len(said) else self.model_name(call.number, held)

    def _guessed(
        self, call: Call, held: Any, found: pa.StructArray, unknown: Any, texts: list[list[str | None]]
    ) -> pa.Array:
        """The values, with guesses where they are not known."""
        values = found.field("value")
        guess = self.guesses[held.table]
        known = values.filter(pa.array(~unknown)).drop_null()
        if len(known):
            pool = known if guess.pool is None else pa.concat_arrays([guess.pool, known])
            guess.pool = pool.slice(0, POOL)
        places = np.flatnonzero(unknown)
        if not len(places):
            return values
        guess.unknown += len(places)
        draws = _draws(_written(self, call.number), [[column[i] for i in places] for column in texts])
        if guess.pool is not None and len(guess.pool) >= ENOUGH:
            guess.assumed = ""
            drawn = guess.pool.take(pa.array(draws % len(guess.pool)))
        else:
            drawn, guess.assumed = _assumed(call, self._labels(call, held), draws, values.type)
        order = np.arange(len(draws), len(draws) + len(values))
        order[places] = np.arange(len(draws))
        return pa.concat_arrays([drawn, values]).take(pa.array(order))

    def _labels(self, call: Call, held: Any) -> list[str]:
        if call.spec.name == "ai_sentiment":
            return list(SENTIMENTS)
        if call.spec.setting not in (None, "labels"):
            return []  # a schema or aspects: no answer is one of them
        given = held.labels
        if given is None:
            try:
                return list(self.session.model(self.model_name(call.number, held)).labels)
            except InlayError:
                return []
        return [label["label"] if isinstance(label, dict) else str(label) for label in given]


def _draws(call: str, texts: list[list[str | None]]) -> Any:
    """A random number for each input of a call: the same whenever it is explained, unlike those of other calls."""
    salt = hashlib.blake2b(call.encode(), digest_size=16).digest()
    rows = ("\0".join(text or "" for text in row).encode() for row in zip(*texts, strict=True))
    digests = b"".join(hashlib.blake2b(row, digest_size=8, salt=salt).digest() for row in rows)
    return np.frombuffer(digests, dtype=np.uint64) >> np.uint64(1)


def _assumed(call: Call, labels: list[str], draws: Any, kind: pa.DataType) -> tuple[pa.Array, str]:
    """Guesses where too little is known, and how they were made."""
    returns = call.spec.returns
    if returns == "BOOLEAN":
        return pa.array(draws % 2 == 0, type=kind), "half of them true"
    if returns == "DOUBLE":
        return pa.array(draws / 2.0**63, type=kind), "spread evenly from 0 to 1"
    if returns == "VARCHAR" and labels:
        each = "each label as often as any other"
        return pa.array([labels[i] for i in (draws % len(labels)).tolist()], type=kind), each
    if returns == "VARCHAR[]" and labels:
        made = [[label for i, label in enumerate(labels) if draw >> (i % 60) & 1] for draw in draws.tolist()]
        return pa.array(made, type=kind), "each label for half of them"
    return pa.nulls(len(draws), kind), "NULL"


def _work_of(rows: Iterable[LedgerRow]) -> Work:
    total = Work()
    for row in rows:
        total += Work(row.rows, row.distinct_inputs, row.known, row.inferred, row.failed, row.tokens, row.seconds)
    return total


class _TimedRun(_Watched):
    """A run that keeps what each stage did, by the session's ledger."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.work: dict[int, dict[str, Work]] = defaultdict(dict)

    def so_far(self) -> dict[str, Work]:
        """By model."""
        total: dict[str, Work] = {}
        for row in self.session.ledger.rows(self.statement_number):
            total[row.model] = total.get(row.model, Work()) + _work_of([row])
        return total

    def stage(self, number: int, texts: Iterable[str] | None = None) -> None:
        before = self.so_far()
        super().stage(number, texts)
        done = self.work[number]
        for model, work in self.so_far().items():
            if (new := work - before.get(model, Work())) != Work():
                done[model] = done.get(model, Work()) + new


def _analyzed(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    said: Explanation,
    sql: str,
    parameters: Any,
    tables: Mapping[str, Any],
) -> Explanation:
    """Runs the statement, as it would run, its rows left where they are made."""
    began = time.perf_counter()
    n_before = len(session.ledger.rows())
    ahead = Work()
    try:
        runner = planned.runner_of(_TimedRun, session, con, sql, parameters, tables)
        runner.run()
        prepared = runner.prepared()
        plans = _duckdb_plan(con, prepared.sql, prepared.tables, prepared.parameters, analyze=True)
        ahead = sum(runner.so_far().values(), Work())
        said = replace(
            said,
            runs_as=prepared.sql,
            shape=_shape(runner, {stage.at: stage.number for stage in said.stages}),
            rules=tuple(Step(applied.rule, applied.note) for applied in runner.plan.applied),
            stages=tuple(_done(stage, runner.work[stage.at]) for stage in said.stages),
        )
    except (Unplannable, *UNBOUND):
        plans = _duckdb_plan(con, sql, tables, parameters, analyze=True)
        said = replace(said, runs_as=sql, shape="")
    as_rows_came = _work_of(session.ledger.rows()[n_before:]) - ahead
    return replace(said, plans=plans, ran=True, seconds=time.perf_counter() - began, actual=as_rows_came)


def _done(stage: Stage, work: Mapping[str, Work]) -> Stage:
    beside = tuple((model, done) for model, done in work.items() if model != stage.model)
    return replace(stage, actual=work.get(stage.model), beside=beside)
