"""What the dbt operation `plan` asks: the plan of compiled models, counted on a cursor of its own, so that nothing that
another cursor runs meanwhile is counted instead of run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from inlay.client.macros import create_macros
from inlay.client.sessions import connection_number, set_node
from inlay.execution.session import Session
from inlay.explanation.plan import Planning, plan_text


def plan_nodes(session: Session, owner: duckdb.DuckDBPyConnection, nodes: Sequence[dict[str, Any]]) -> str:
    """nodes: of each its `id` and its compiled `sql`. Raises BudgetExceededError where a limit would be passed."""
    planning = Planning(session)
    with owner.cursor() as cursor:
        create_macros(cursor, session)
        connection = connection_number(cursor)
        for node in nodes:
            set_node(cursor, node["id"])
            planning.count(cursor, connection, node["sql"])
    plan = planning.plan()
    plan.costs.hold_against(session.limits)
    return plan_text(plan)
