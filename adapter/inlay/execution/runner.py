"""Answers the calls of one planned statement: asks the models for everything it will need, in bulk, stage by stage.

Nothing here decides what an answer is. Where a query of the planner's own cannot be bound, the call stays as it was.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from inlay.engine import signals
from inlay.errors import InlayError
from inlay.execution.acceptance import is_aborted
from inlay.execution.answer_tables import AnswerTable, HeldAnswers
from inlay.execution.answering import Rows
from inlay.execution.context import Context
from inlay.execution.gathering import Gathering
from inlay.execution.join import joined
from inlay.execution.kept_calls import made_by_queries, made_in_joins, not_overtaking
from inlay.execution.many_calls import ManyCalls
from inlay.execution.queries import Queries, first_line
from inlay.execution.session import Session
from inlay.execution.staged import Staged, Stages
from inlay.execution.streaming import refuse_to_hold
from inlay.functions.arrow_texts import FRACTIONS
from inlay.functions.relative_cost import relative_cost
from inlay.parsing.kinds import is_query
from inlay.parsing.marks import numbers_in
from inlay.parsing.statement import Call, Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.gather import gathers, made_before
from inlay.planner.keyed import KEY, ROWS
from inlay.planner.lookups import Answers, answers_of, key_places, with_lookups
from inlay.planner.pair_join import JoinByCall
from inlay.planner.plan import Plan
from inlay.planner.rules import RULES, AnswerRule, Applied


class Unforeseen(Unplannable):
    """Of a dry run: the rows depend on a call that will only be made as rows come."""


@dataclass
class Prepared:
    """A statement that is ready to run: SQL, the tables it looks answers up in, and its parameters. plan: how it came
    about. staged: what was answered ahead, and reasons: why calls were not, by their number."""

    sql: str
    tables: dict[str, Any]
    parameters: Any
    plan: Plan
    staged: dict[int, Staged]
    reasons: dict[int, str]
    held: HeldAnswers


def _cost(session: Session, model: str) -> float:
    """Raises Unplannable where there is no such model, which may never be asked."""
    try:
        return relative_cost(session.model(model))
    except InlayError as error:
        raise Unplannable(first_line(error)) from None


class Runner:
    """Answers the calls of one planned statement, stage by stage. streams: whether calls may be left to the statement
    itself, chunk by chunk.

    not_looked_up: calls that stay calls, whose answers are known by then. is_changed: whether answers have changed the
    statement. unguarded: the statement without the checks that stopping early puts into it. undecided: calls of which
    only a run decides which is asked first. unforeseen: of a dry run, calls whose inputs depend on one that is made as
    rows come.
    """

    def __init__(
        self, session: Session, queries: Queries, plan: Plan, context: Context, *, streams: bool = True
    ) -> None:
        self.session = session
        self.plan = plan
        self.names = plan.statement.names
        self.queries = queries
        self.query = queries.run
        self.gathering = Gathering(queries)
        self.context = context
        self.streams = streams and not context.is_dry
        self.answers: dict[int, Answers] = {}
        self.held = HeldAnswers(queries, map(plan.statement.calls.__getitem__, plan.stages), session.binding)
        self.many = ManyCalls(session, context, plan)
        self.not_looked_up: set[int] = set()
        self.all_pairs: dict[int, list[str]] = {}  # the inputs of a call that a join asks for every pair
        self.reasons = dict(plan.reasons)
        self.done: set[int] = set()
        self.stopped = False
        self.is_changed = False
        self.unguarded: Statement | None = None
        self.undecided: set[int] = set()
        self.unforeseen: dict[int, str] = {}
        self.statement_number = random.getrandbits(62)
        self.staged = Stages(context.ledger, self.statement_number)

    def run(self) -> None:
        self.context.progress.begin()
        with self.session.knowing(self.queries.around.connection, self.held):
            for rule in RULES if self.plan.around is None else ():
                if isinstance(rule, AnswerRule):
                    (rule.estimate if self.context.is_dry else rule.apply)(self)
            for number in [number for number in self.stages if number not in self.done]:
                try:
                    self.stage(number)
                except Unplannable as reason:
                    self.reasons[number] = str(reason)
                    _look_up_unread(self, number)

    @property
    def statement(self) -> Statement:
        return self.plan.statement

    @statement.setter
    def statement(self, statement: Statement) -> None:
        self.plan.statement = statement

    @property
    def stages(self) -> list[int]:
        return self.plan.stages

    def changed(self, statement: Statement, rule: str, note: str) -> None:
        self.statement = statement
        self.plan.applied.append(Applied(rule, note))
        self.is_changed = True

    def join(self, join: JoinByCall) -> None:
        number, statement, call = join.number, self.statement, self.statement.calls[join.number]
        try:
            with self.staged.working_for(number):
                changed, note = joined(self, join, self.held.settings(call))
            self.answers[number] = Answers(self.table(number), call, key_places(call), spent=True)
            texts = (with_lookups(each.text, self.answers, self.names) for each in (statement, changed))
            before, after = (self.queries.shape(text, gives_rows=is_query(statement.text)) for text in texts)
            if before != after:
                raise Unplannable(reasons.COLUMNS_WOULD_CHANGE)
        except (InlayError, duckdb.InterruptException):
            raise
        except Unplannable:
            self.answers.pop(number, None)
            raise
        except duckdb.Error as error:
            self.answers.pop(number, None)
            if is_aborted(self.queries.con):
                raise
            raise Unplannable(reasons.inputs_not_selected(first_line(error))) from error
        self.done.add(number)
        self.changed(changed, "join_by_call", note)

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        return list(self.query(self.looked_up(text), "execute").fetchall())

    def table(self, number: int) -> str:
        return self.held[number].name

    def failed(self, number: int) -> bool:
        return self.held[number].failed or self.table(number) in self.gathering.left_out

    def depends(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.staged[number].reads |= set(numbers)

    def undecided_are(self, numbers: Iterable[int]) -> None:
        self.undecided |= set(numbers)

    def is_guessed(self, number: int) -> bool:
        return self.context.guesses is not None and self.context.guesses.n_unknown(self.table(number)) > 0

    def hold(self, number: int, rows: list[pa.Array], answers: pa.Array) -> None:
        """Keeps answers for the calls that ask the same as this one, where there are such."""
        others = [self.statement.calls[other] for other in self.stages if other != number]
        self.held.keep_shared(self.statement.calls[number], rows, answers, others, self.context.cache.budget_bytes)

    def binds(self, text: str) -> bool:
        """Whether DuckDB takes a query of the planner's own."""
        return self.queries.accepts(self.looked_up(text))

    def weight(self, number: int) -> float:
        """What a call's model costs beside others."""
        return _cost(self.session, self.model_name(number))

    def model_name(self, number: int) -> str:
        """Of the model that a call means."""
        spec, held = self.statement.calls[number].spec, self.held.get(number)
        if held is None:
            return self.session.binding.default_model(spec)
        return str(self.session.binding.model_name(spec, held.labels, held.options))

    def prepared(self) -> Prepared:
        """Raises Unplannable where DuckDB does not bind what the answers have made of the statement."""
        # Where nothing was answered ahead, the rules' text may still ask for less.
        found = self._not_overtaking() if self.answers else {}
        runs = self.plan.runs
        sql = with_lookups(runs.text, found, self.names) if found else runs.plain
        if self.is_changed and not self.queries.accepts(sql, gives_rows=is_query(runs.text)):
            raise Unplannable(reasons.NOT_REHEARSED)
        staged = {number: stage for number, stage in self.staged.items() if number in self.answers}
        return Prepared(sql, self.tables, self.queries.parameters, self.plan, staged, self.reasons, self.held)

    @property
    def looked_up_ahead(self) -> list[int]:
        """Calls whose answers queries of the planner's own may look up: not in ON, see `Kept`."""
        return [number for number, found in self.answers.items() if found.kept != "on"]

    def looked_up(self, text: str) -> str:
        """A query of the planner's own as SQL. Raises Unforeseen where it would have a model run in a dry run."""
        if not self.context.is_dry:
            answers = self.answers if self.reasons.keys().isdisjoint(numbers_in(text)) else self._not_overtaking()
            # No call stands behind these lookups: DuckDB takes as long to plan it as the rest of such a query.
            answers = {
                n: replace(a, complete=True, kept="" if a.kept == "where" else a.kept) for n, a in answers.items()
            }
            return with_lookups(text, answers, self.names)
        for number in numbers_in(text):
            found = self.answers.get(number)
            if found is None or found.kept not in ("", "where"):
                raise Unforeseen(reasons.waits_for(self.statement.written(number)))
        # A lookup that finds nothing gives NULL.
        complete = {number: replace(found, complete=True, kept="") for number, found in self.answers.items()}
        return with_lookups(text, complete, self.names)

    @property
    def tables(self) -> dict[str, Any]:
        return self.queries.tables

    def stage(self, number: int, texts: Iterable[str] | None = None) -> None:
        """Answers one call's inputs: those of the given queries, or all that reach it. Calls that ask the same of the
        same model share one table of answers."""
        call = self.statement.calls[number]
        try:
            with self.staged.working_for(number):
                is_whole = texts is None and number not in self.all_pairs
                twin = self.many.asked_by(self.statement, call) if is_whole else None
                if twin is None:
                    self._stage(call, texts)
                else:
                    self.held[number] = self.held.table_of(call)
        except Unforeseen as reason:
            self.unforeseen[number] = str(reason)
            raise
        self.unforeseen.pop(number, None)
        kinds = self.gathering.kinds.get(number if twin is None else twin, ())
        stays = number in self.not_looked_up or self.many.is_made(call, self.held) or _is_no_lookup(self, call, kinds)
        self.answers[number] = answers_of(self.statement, number, self.table(number), stays, kinds)

    def _not_overtaking(self) -> dict[int, Answers]:
        return not_overtaking(self.statement, self.answers, made_by_queries(self.reasons, self.context))

    def may_stream(self, number: int, held: AnswerTable) -> bool:
        """Whether the call may be left to the statement itself. With a store known answers are asked for in bulk;
        targets need all inputs together."""
        call = self.statement.calls[number]
        is_only_call = self.stages == [number] and number not in self.all_pairs and not call.gathers
        needs_all = self.session.binding.needs_all(call.spec.name, held.options, True)
        return self.streams and is_only_call and self.context.store is None and not needs_all

    def _stage(self, call: Call, texts: Iterable[str] | None) -> None:
        number, held, every = call.number, self.held.table_of(call), texts is None
        if texts is None:
            made = made_before(self.statement, number, made_by_queries(self.reasons, self.context))
            made |= made_in_joins(self.answers, self.context)
            texts = self.all_pairs.get(number) or gathers(self.statement, number, self.looked_up_ahead, made)
        asked = ((self.looked_up(text), not numbers_in(text)) for text in self.staged[number].noted(texts))
        expect = self.context.progress.expect if self.context.progress.shown else None  # to count them takes a query
        try:
            with signals.inside(held.connection, (self.session.number, self.statement_number)):
                # Targets are met over all the inputs of a call together, and labels move towards all of them.
                whole = every and self.session.binding.needs_all(call.spec.name, held.options, not held.values)
                inputs = partial(self.gathering.inputs, before_many=partial(_refuse_many, self, call, held, every))
                for batch in inputs(asked, call, held.name, held.gathered, whole, expect):
                    self.staged[number].inputs += batch.num_rows
                    self.answer(call, held, batch, whole)
        except (InlayError, Unplannable, duckdb.InterruptException):
            raise
        except duckdb.Error as error:
            if is_aborted(self.queries.con):
                raise
            raise Unplannable(reasons.inputs_not_selected(first_line(error))) from error
        self.held.keep(call, held)
        self.many.asked(self.statement, call, self.looked_up_ahead, every)

    def answer(self, call: Call, held: AnswerTable, batch: pa.RecordBatch, whole: bool) -> None:
        """Adds the answers to distinct inputs. whole: these are all that the statement has for the call."""
        rows = [batch.column(f"{KEY}{i}") for i in range(len(call.texts))]
        counts = batch.column(ROWS)
        raises = self.session.binding.on_error(call.spec.name, held.options) == "raise"
        # Whether the statement needs a row that fails is for the statement to say: it asks once more, and stops there.
        options = {**held.options, "on_error": "null"} if raises else held.options
        detail = call.detail or raises or self.context.is_dry
        node = str(options.get("node") or "")
        asked = Rows(rows, self.statement_number, node, pc.sum(counts).as_py() or 0, counts, whole)
        answered = self.session.answered(call.spec.name, held.labels, options, asked, self.context, detail=detail)
        if self.context.guesses is not None:
            answer = self.context.guesses.fill(
                call, self.statement.written(call.number), held.name, held.labels, answered
            )
            if call.spec.returns == "FLOAT[]":  # of vectors that nobody knows, the size
                held.n_bytes += 4 * len(answer) * answered.call.model.width
        else:
            answer = answered.details() if detail else answered.values()
        if raises:
            self.context.ledger.foresee(answered.call.question.signature, answered.inputs.keys, answered.errors)
            good = answer.field("error").is_null()
            held.failed = held.failed or pc.any(pc.invert(good)).as_py() or False
            rows = [column.filter(good) for column in rows]
            answer = answer.filter(good)
        held.add(rows, answer if call.detail or not detail else answer.field("value"), gathers=call.gathers)
        if held.is_too_large(call.spec, self.context.cache.budget_bytes):
            raise Unplannable(reasons.too_large(held.n_bytes))


def _look_up_unread(runner: Runner, number: int) -> None:
    """Where DuckDB takes no call, one that nothing reads is looked up in a table without rows, and gives NULL."""
    found = answers_of(runner.statement, number, "")
    # query_table('name') may read what is named nowhere else.
    if found.alone and runner.reasons[number] == reasons.UNREAD and "query_table" not in runner.statement.text.lower():
        held = runner.held.table_of(found.call)
        runner.held.keep(found.call, held)
        runner.answers[number] = replace(found, table=held.name, complete=True)


def _is_no_lookup(runner: Runner, call: Call, kinds: Collection[str]) -> bool:
    """Whether no row asks a constant, of which DuckDB would make a lookup that stands in no row, and the call behind
    it; or a value is a fraction: a lookup takes -0.0 for 0.0."""
    of_no_row = not key_places(call) and not runner.tables[runner.table(call.number)].num_rows
    return (of_no_row or not FRACTIONS.isdisjoint(kinds)) and not runner.context.is_dry


def _refuse_many(runner: Runner, call: Call, held: AnswerTable, every: bool) -> None:
    """Raises Unplannable where the inputs of a call are better answered as they come. every: all are asked for."""
    if every and runner.may_stream(call.number, held):
        refuse_to_hold(runner.queries, runner.statement, call.number, runner.context.progress.expect)
