"""What a statement did, beside what was expected: it runs as it always does, its rows left where they are made."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import duckdb

from inlay.execution.queries import UNBOUND
from inlay.execution.records import CallWork
from inlay.execution.session import Session
from inlay.execution.statement import runner_of
from inlay.explanation.report import Explanation, Stage
from inlay.explanation.written import duckdb_plan, rules_applied, shape
from inlay.parsing.unplannable import Unplannable


def analyzed(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    explanation: Explanation,
    sql: str,
    parameters: Any,
    tables: Mapping[str, Any],
) -> Explanation:
    began = time.perf_counter()
    n_before = len(session.ledger.rows())
    ahead = CallWork()
    try:
        # Nothing is left to the statement itself, so that what each call needs is counted.
        runner = runner_of(session, con, sql, parameters, tables, streams=False)
        runner.run()
        prepared = runner.prepared()
        plans = duckdb_plan(con, prepared.sql, prepared.tables, prepared.parameters, analyze=True)
        ahead = sum(runner.staged.work_so_far().values(), CallWork())
        work = {number: staged.work for number, staged in runner.staged.items()}
        explanation = replace(
            explanation,
            runs_as=prepared.sql,
            shape=shape(runner, {stage.at: stage.number for stage in explanation.stages}),
            rules=rules_applied(runner),
            stages=tuple(_done(stage, work.get(stage.at, {})) for stage in explanation.stages),
        )
    except (Unplannable, *UNBOUND):
        plans = duckdb_plan(con, sql, tables, parameters, analyze=True)
        explanation = replace(explanation, runs_as=sql, shape="")
    as_rows_came = CallWork.of(session.ledger.rows()[n_before:]) - ahead
    seconds = time.perf_counter() - began
    return replace(explanation, plans=plans, ran=True, seconds=seconds, actual=as_rows_came)


def _done(stage: Stage, work: Mapping[str, CallWork]) -> Stage:
    beside = tuple((model, done) for model, done in work.items() if model != stage.model)
    return replace(stage, actual=work.get(stage.model), beside=beside)
