"""Answers the calls of one planned statement: asks the models for everything it will need, in bulk, stage by stage.

Nothing here decides what an answer is. Where a query of the planner's own cannot be bound, the call stays as it was.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from inlay.engine import cancel
from inlay.engine.result_cache import ENTRY_BYTES
from inlay.errors import InlayError
from inlay.execution.join import joined
from inlay.execution.replacement_scan import with_tables
from inlay.execution.session import Session
from inlay.functions.relative_cost import relative_cost
from inlay.functions.spec import named_options
from inlay.json_schema import read_schema
from inlay.parsing.statement import Call
from inlay.parsing.tokens import first_word, words
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.gather import KEY, ROWS, gathers, inputs_query
from inlay.planner.lookups import VALUE, Answers, key_places, stays_a_call, with_lookups
from inlay.planner.plan import Plan
from inlay.planner.rules import Applied
from inlay.planner.rules.early_stop import EarlyStop, early_stops
from inlay.planner.rules.join_by_call import calls_before, join_by_call
from inlay.planner.rules.order_calls import WORTH_ROWS, Chain, chains, cheapest_first

GATHER_ROWS = 8_192
"""Inputs that are answered at a time, and so at most lost if the process is killed."""

HELD_BYTES = 256_000_000
"""Answers of one call that are held for a lookup. Larger ones stream through the plain path."""

HELD_VECTOR_BYTES = 64_000_000
"""The same of vectors: they are as large as what is kept of the model's work anyway, so that the plain path finds there
what was answered ahead."""

STREAM_ROWS = 500_000
STREAM_BYTES = 128_000_000
"""Of the only call of a statement, this many rows whose inputs take so much, nearly all of them different, are answered
chunk by chunk: there is nothing to spare by asking ahead, and no end to what would be held."""

_ANSWER_BYTES = 100  # of an input, beside its text: its answer, and its place in DuckDB's tables

_tables = itertools.count(1)

UNBOUND = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException, duckdb.NotImplementedException)


@dataclass
class Staged:
    """What became of one call: rows that reach it, distinct inputs."""

    number: int
    rows: int = 0
    distinct: int = 0
    seconds: float = 0.0


@dataclass
class Prepared:
    """A statement that is ready to run: SQL, the tables it looks answers up in, and its parameters.

    staged: what was answered ahead. reasons: why other calls were not.
    """

    sql: str
    tables: dict[str, Any]
    parameters: Any
    plan: Plan | None = None
    staged: list[Staged] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)


def is_query(sql: str) -> bool:
    """Whether a statement gives rows by itself."""
    return first_word(sql) in ("select", "with", "from", "(", "values", "pivot", "unpivot", "table")


def query_in(sql: str) -> str | None:
    """The query of CREATE TABLE … AS and INSERT INTO …, where it stands at the end and without brackets."""
    found = words(sql)
    if any(word.lower in ("returning", "conflict") for word in found):
        return None
    depth = 0
    for word in found:
        depth += (word.text == "(") - (word.text == ")")
        if depth == 0 and word.lower in ("select", "with", "from"):
            return sql[word.start :]
    return None


@dataclass
class _Held:
    """Answers of every call that asks the same. gathered: the queries that its inputs came from."""

    table: str
    labels: Any
    options: dict[str, Any]
    connection: int | None
    columns: list[list[pa.Array]] = field(default_factory=list)
    values: list[pa.Array] = field(default_factory=list)
    gathered: list[str] = field(default_factory=list)
    n_bytes: int = 0
    failed: bool = False

    def add(self, rows: list[pa.Array], values: pa.Array, gathers: bool = False) -> None:
        """gathers: each row holds the texts of a group, which are longer than its answer."""
        self.columns = self.columns or [[] for _ in rows]
        for column, found in zip(self.columns, rows, strict=True):
            column.append(found)
        self.values.append(values)
        self.n_bytes += values.nbytes + (sum(column.nbytes for column in rows) if gathers else 0)

    def arrow(self, keys: tuple[tuple[int, int], ...]) -> pa.Table:
        """As DuckDB looks it up."""
        made: dict[str, Any] = {
            f"{KEY}{i}": pa.chunked_array(self.columns[i] if self.columns else [], type=pa.string()) for i, _ in keys
        }
        made[VALUE] = pa.chunked_array(
            [pa.StructArray.from_arrays([value], ["v"]) for value in self.values]
            or [pa.array([], type=pa.struct([("v", pa.null())]))]
        )
        return pa.table(made)


class Runner:
    """Answers the calls of one planned statement, stage by stage. streams: whether calls may be left to the statement
    itself, chunk by chunk."""

    streams = True

    def __init__(
        self,
        session: Session,
        con: duckdb.DuckDBPyConnection,
        plan: Plan,
        parameters: Any,
        variables: dict[str, Any],
    ) -> None:
        self.session = session
        self.con = con
        self.plan = plan
        self.names = plan.statement.names
        self.parameters = parameters
        self.tables = variables
        self.answers: dict[int, Answers] = {}
        self.shared: dict[tuple[Any, ...], _Held] = {}
        self.held: dict[int, _Held] = {}
        self.all_pairs: dict[int, list[str]] = {}  # the inputs of a call that a join asks for every pair
        self.reasons = dict(plan.reasons)
        self.staged: list[Staged] = []
        self.statement_number = random.getrandbits(62)

    def run(self) -> None:
        for number in list(self.plan.stages):
            with contextlib.suppress(Unplannable):
                self.join(number)
        done = {number for number, found in self.answers.items() if found.spent}
        n_joined = len(done)
        for stop in early_stops(self.plan.statement, self.plan.stages):
            with contextlib.suppress(Unplannable):
                if self.stop_early(stop):
                    done.update(stop.numbers)
                    break  # the text has changed, and another SELECT of its kind is rare
        if len(done) == n_joined:
            for chain in chains(self.plan.statement, self.plan.stages):
                with contextlib.suppress(Unplannable):
                    self.order(chain)
                    break  # the text may have changed
        for number in self.plan.stages:
            if number not in done:
                try:
                    self.stage(number)
                except Unplannable as reason:
                    self.reasons[number] = str(reason)

    def join(self, number: int) -> None:
        """Finds the pairs of values that a call joins by, where it is the condition of a join, and has them joined."""
        statement = self.plan.statement
        try:
            join_by_call(statement, number, set(self.answers), self.binds)
        except Unplannable:
            return
        for other in calls_before(statement, number):
            if other in self.plan.stages and other not in self.answers:
                with contextlib.suppress(Unplannable):
                    self.stage(other)
        try:
            join = join_by_call(statement, number, set(self.answers), self.binds)
            changed, note = joined(self, join, self.settings(statement.calls[number]))
            keys = key_places(statement.calls[number])
            self.answers[number] = Answers(self.held[number].table, statement.calls[number], keys, spent=True)
            shapes = [self.shape(with_lookups(s.text, self.answers, self.names)) for s in (statement, changed)]
            if shapes[0] != shapes[1]:
                raise Unplannable(reasons.COLUMNS_WOULD_CHANGE)
        except (InlayError, duckdb.InterruptException):
            raise
        except Unplannable:
            self.answers.pop(number, None)
            raise
        except duckdb.Error as error:
            self.answers.pop(number, None)
            if self.is_aborted():
                raise
            raise Unplannable(reasons.inputs_not_selected(_first_line(error))) from error
        self.plan.statement = changed
        self.plan.applied.append(Applied("join_by_call", note))

    def hold(self, number: int, rows: list[pa.Array], answers: pa.Array) -> None:
        """Keeps answers for the calls that ask the same as this one, where there are such."""
        call = self.plan.statement.calls[number]
        same = self.same(call)
        held = self.held[number] = _Held(f"_inlay_a{next(_tables)}", *self.settings(call))
        n_bytes = sum(column.nbytes for column in rows) + answers.nbytes
        others = [self.plan.statement.calls[other] for other in self.plan.stages if other != number]
        if not self.too_large(call, len(answers), n_bytes) and any(self.same(other) == same for other in others):
            self.shared[same] = held
            held.add(rows, answers)
            self.tables[held.table] = held.arrow(key_places(call))

    def binds(self, text: str) -> bool:
        """Whether DuckDB takes a query of the planner's own."""
        try:
            self.query(self.looked_up(text))
        except duckdb.Error:
            return False
        return True

    def shape(self, sql: str) -> list[tuple[str, str]]:
        """Names and types of the columns of a query, or of that in a statement that makes or fills a table, where it
        can be told apart. Raises Unplannable where DuckDB does not bind the statement."""
        try:
            if not is_query(sql):
                self.query(f"EXPLAIN {sql}")
                with contextlib.suppress(Unplannable, duckdb.Error):
                    inner = query_in(sql)
                    return [] if inner is None else self.shape(inner)
                return []
            relation = self.query(sql)
        except UNBOUND as error:
            raise Unplannable(reasons.not_bound(_first_line(error))) from None
        return list(zip(relation.columns, map(str, relation.types), strict=True))

    def stop_early(self, stop: EarlyStop) -> bool:
        """Answers rows until enough of them pass. False where the rows came to an end before: all answers are there."""
        first = max(64, 4 * stop.wanted)
        while True:
            for place, number in enumerate(stop.numbers):
                self.stage(number, [stop.inputs(number, first, stop.numbers[:place])])
                # DuckDB computes columns before it cuts: rows beyond the first must not be asked for by the lookup.
                self.answers[number] = replace(self.answers[number], complete=True)
            seen, passed = self.query(self.looked_up(stop.passed(first))).fetchall()[0]
            if passed >= stop.wanted or seen < first:
                break
            first *= 4
        # With on_error 'raise', the statement itself must meet the rows that failed.
        if passed >= stop.wanted and not any(self.held[number].failed for number in stop.numbers):
            self.plan.statement = stop.guarded(lambda number: self.answers[number].table)
            self.plan.applied.append(Applied("stop_early", f"{seen:,} rows asked until {passed:,} passed"))
            return True
        self.answers |= {number: replace(self.answers[number], complete=False) for number in stop.numbers}
        return bool(seen < first)

    def order(self, chain: Chain) -> None:
        """Decides which of a WHERE's conditions is asked first."""
        numbers = [number for link in chain.links for number in link]
        n_rows = self.query(self.looked_up(chain.rows())).fetchall()[0][0]
        if n_rows < WORTH_ROWS:
            return
        before = dict(self.answers)
        for number in self.plan.stages:
            if number in numbers:
                self.stage(number, [chain.inputs(number)])
                self.answers[number] = replace(self.answers[number], complete=True)
        sample = self.query(self.looked_up(chain.sample())).fetchall()
        self.answers = before  # all but the sample is still to be answered
        order = cheapest_first(sample, [sum(map(self.weight, link)) for link in chain.links])
        arranged = chain.arranged(order) if order != sorted(order) else None
        if arranged is None:
            return
        self.plan.statement = arranged
        rank = {number: place for place, link in enumerate(order) for number in chain.links[link]}
        places = [i for i, number in enumerate(self.plan.stages) if number in rank]
        # Stable: within a condition a call inside another stays before it.
        for place, number in zip(
            places, sorted((self.plan.stages[i] for i in places), key=rank.__getitem__), strict=True
        ):
            self.plan.stages[place] = number
        self.plan.applied.append(
            Applied("order_calls", f"of {len(chain.links)} conditions with calls, number {order[0] + 1} is asked first")
        )

    def weight(self, number: int) -> float:
        """What a call's model costs beside others."""
        return relative_cost(self.session.model(self.model_name(number)))

    def model_name(self, number: int, held: _Held | None = None) -> str:
        """Of the model that a call means. held: where its settings are read, and not held yet."""
        held = held or self.held.get(number)
        given = held.options.get("model") if held is not None else None
        return str(given or self.session.default_model(self.plan.statement.calls[number].spec))

    def prepared(self) -> Prepared:
        if not self.answers:
            # Nothing was answered ahead; the rules' text may still ask for less.
            return Prepared(
                self.plan.statement.plain, self.tables, self.parameters, self.plan, self.staged, self.reasons
            )
        return Prepared(
            with_lookups(self.plan.statement.text, self.answers, self.names),
            self.tables, self.parameters, self.plan, self.staged, self.reasons,
        )  # fmt: skip

    @property
    def looked_up_ahead(self) -> list[int]:
        """Calls whose answers queries of the planner's own may look up: not in ON, see `stays_a_call`."""
        return [number for number, found in self.answers.items() if found.kept != "on"]

    def looked_up(self, text: str) -> str:
        """A query of the planner's own as SQL."""
        ahead = {number: replace(a, kept="") if a.kept == "where" else a for number, a in self.answers.items()}
        return with_lookups(text, ahead, self.names)

    def query(self, sql: str, parameters: Any = None) -> Any:
        return with_tables(self.con, sql, self.tables, self.parameters if parameters is None else parameters)

    def same(self, call: Call) -> tuple[Any, ...]:
        """What two calls have in common that ask the same of the same model."""
        keys = key_places(call)
        varying = {at for _, at in keys}
        fixed = tuple(text for at, text in enumerate(call.arguments) if at not in varying)
        return (call.spec.name, call.detail, fixed, tuple(sorted(call.options.items())), len(keys))

    def stage(self, number: int, texts: Iterable[str] | None = None) -> None:
        """Answers one call's inputs: those of the given queries, or all that reach it. Calls that ask the same of the
        same model share one table of answers."""
        call = self.plan.statement.calls[number]
        began = time.perf_counter()
        keys = key_places(call)
        same = self.same(call)
        held = self.shared.get(same) or _Held(f"_inlay_a{next(_tables)}", *self.settings(call))
        account = Staged(number)
        every = texts is None
        if texts is None:
            self.check_size(number, held)
            texts = self.all_pairs.get(number) or gathers(self.plan.statement, number, self.looked_up_ahead)
        inputs = self.gathered(texts, held, keys)
        try:
            with cancel.inside(held.connection, (self.session.number, self.statement_number)):
                # Targets are met over all the inputs of a call together.
                whole = every and self.session.has_targets(call.spec.name, held.options)
                for batch in inputs.read_all().combine_chunks().to_batches() if whole else inputs:
                    self.answer(call, held, batch, account, whole)
        except (InlayError, Unplannable, duckdb.InterruptException):
            raise
        except duckdb.Error as error:
            if self.is_aborted():
                raise
            raise Unplannable(reasons.inputs_not_selected(_first_line(error))) from error
        except Exception as error:
            # On the plain path DuckDB says what went wrong, as it does of every function.
            raise Unplannable(f"{type(error).__name__}: {error}") from error
        finally:
            inputs.close()  # an open reader holds the connection
        self.shared[same] = self.held[number] = held
        self.tables[held.table] = self.typed(call, held, keys)
        kept = stays_a_call(self.plan.statement.node(number))
        self.answers[number] = Answers(held.table, call, keys, kept=kept)
        account.seconds = time.perf_counter() - began
        self.staged.append(account)

    def check_size(self, number: int, held: _Held) -> None:
        """Raises Unplannable where a call is better answered chunk by chunk. Not with a store, which is asked in bulk,
        nor with targets."""
        call = self.plan.statement.calls[number]
        if not self.streams or self.plan.stages != [number] or number in self.all_pairs or call.gathers:
            return
        if self.session.store is not None or self.session.has_targets(call.spec.name, held.options):
            return
        try:
            rows = inputs_query(self.plan.statement, number)
            (n_rows,) = self.query(f"SELECT count(*) FROM ({rows})").fetchall()[0]
            if n_rows < STREAM_ROWS:
                return
            keys = [f"{KEY}{i}" for i in range(len(call.texts))]
            n_bytes = " + ".join(f"coalesce(strlen({key}), 0)" for key in keys)
            n_bytes, n_distinct = self.query(
                f"SELECT sum({n_bytes})::BIGINT, approx_count_distinct(hash({', '.join(keys)})) FROM ({rows})"
            ).fetchall()[0]
        except (Unplannable, *UNBOUND):
            return
        if n_distinct > 0.8 * n_rows and n_bytes + _ANSWER_BYTES * n_rows > STREAM_BYTES:
            raise Unplannable(reasons.nearly_all_different(n_rows))

    def typed(self, call: Call, held: _Held, keys: tuple[tuple[int, int], ...]) -> pa.Table:
        """The answers as the call gives them: JSON as the STRUCT that its macro makes of it."""
        table = held.arrow(keys)
        if not call.spec.typed or call.detail:
            return table
        structure = read_schema(call.spec.name, held.labels).structure.replace("'", "''")
        columns = ", ".join(f"{KEY}{i}" for i, _ in keys)
        value = f"{{'v': from_json({VALUE}.v::VARCHAR, '{structure}')}} AS {VALUE}"
        relation = with_tables(
            self.con, f"SELECT {columns}{', ' if columns else ''}{value} FROM {held.table}", {held.table: table}, None
        )
        read = relation.to_arrow_table if hasattr(relation, "to_arrow_table") else relation.fetch_arrow_table
        return read()

    def answer(self, call: Call, held: _Held, batch: pa.RecordBatch, account: Staged, whole: bool) -> None:
        rows = [batch.column(f"{KEY}{i}") for i in range(len(call.texts))]
        for column in rows:
            if not pa.types.is_string(column.type):
                raise Unplannable(reasons.not_varchar(column.type))
        counts = batch.column(ROWS)
        n_rows = pc.sum(counts).as_py() or 0
        account.distinct += batch.num_rows
        account.rows += n_rows
        raises = self.session.on_error(call.spec.name, held.options) == "raise"
        # Whether the statement needs a row that fails is for the statement to say: it asks once more, and stops there.
        options = {**held.options, "on_error": "null"} if raises else held.options
        answer = self.ask(call, held, rows, options, call.detail or raises, n_rows, counts if whole else None)
        if raises:
            good = answer.field("error").is_null()
            held.failed = held.failed or pc.any(pc.invert(good)).as_py() or False
            rows = [column.filter(good) for column in rows]
            answer = (answer if call.detail else answer.field("value")).filter(good)
        held.add(rows, answer, call.gathers)
        if self.too_large(call, sum(map(len, held.values)), held.n_bytes):
            raise Unplannable(reasons.too_large(held.n_bytes))

    def too_large(self, call: Call, n_rows: int, n_bytes: int) -> bool:
        """Whether answers are not held for a lookup. Vectors are not where they are more than a quarter of what is kept
        of the model's work: of more, the plain path, whose threads add to it, would have some inferred again."""
        if call.spec.returns != "FLOAT[]":
            return n_bytes > HELD_BYTES
        kept = n_bytes + ENTRY_BYTES * n_rows
        return n_bytes > HELD_VECTOR_BYTES or kept > self.session.memory.budget_bytes // 4

    def ask(
        self,
        call: Call,
        held: _Held,
        rows: list[pa.Array],
        options: dict[str, Any],
        detail: bool,
        n_rows: int,
        counts: pa.Array | None,
    ) -> pa.Array:
        """The answers to distinct inputs, which stand for n_rows. counts: for how many each, where these are all."""
        return self.session.answer(
            call.spec.name, rows, held.labels, options, statement=self.statement_number, detail=detail, n_rows=n_rows,
            whole=counts is not None, counts=counts,
        )  # fmt: skip

    def is_aborted(self) -> bool:
        """Whether the error has ended the person's transaction."""
        try:
            self.query("SELECT 1").fetchall()
        except duckdb.Error:
            return True
        return False

    def gathered(self, texts: Iterable[str], held: _Held, keys: tuple[tuple[int, int], ...]) -> pa.RecordBatchReader:
        """The distinct inputs of the first query that DuckDB binds, without those that are held."""
        reason: Exception | None = None
        for text in texts:
            sql = self.looked_up(text)
            if sql in held.gathered:
                return pa.RecordBatchReader.from_batches(pa.schema([]), [])
            held.gathered.append(sql)
            if held.table in self.tables and keys:
                on = " AND ".join(f'{held.table}.{KEY}{i} = _inlay_g.{KEY}{i} COLLATE "C"' for i, _ in keys)
                sql = f"SELECT * FROM ({sql}) AS _inlay_g ANTI JOIN {held.table} ON {on}"
            try:
                relation = self.query(sql)
            except UNBOUND as error:
                reason = error
                continue
            read = relation.to_arrow_reader if hasattr(relation, "to_arrow_reader") else relation.fetch_arrow_reader
            return read(GATHER_ROWS)
        raise Unplannable(reasons.inputs_not_selected(_first_line(reason)))

    def settings(self, call: Call) -> tuple[Any, dict[str, Any], int | None]:
        """Labels, options by name, and the connection's number, as the function would be told."""
        given = call.settings
        columns = [f"{text} AS {_identifier(name)}" for name, text in given.items()]
        columns += ["getvariable('inlay_connection') AS _inlay_connection", "getvariable('inlay_node') AS _inlay_node"]
        try:
            relation = self.query(f"SELECT {', '.join(columns)}")
        except UNBOUND as error:
            raise Unplannable(reasons.settings_not_read(_first_line(error))) from None
        table = relation.to_arrow_table() if hasattr(relation, "to_arrow_table") else relation.fetch_arrow_table()
        said = table.to_pylist()[0]
        connection, node = said.pop("_inlay_connection"), said.pop("_inlay_node")
        labels = said.pop(call.spec.setting, None) if call.spec.setting else None
        return labels, {**named_options(call.spec, said), "node": node}, connection


def _first_line(error: Exception | None) -> str:
    return str(error).split("\n")[0]


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
