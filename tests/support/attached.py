"""One call, under each of the names that it has on a connection where inlay is attached."""

from __future__ import annotations

from typing import Any

PLAIN = "SELECT ai_classify('x', ['a', 'b'])"
STRUCT = "SELECT ai_classify('x', ['a', 'b'], {'model': 'fake-nli'})"
NAMED = "SELECT ai_classify('x', ['a', 'b'], model := 'fake-nli')"
QUALIFIED = "SELECT inlay.ai_classify('x', ['a', 'b'], model := 'fake-nli')"


def one(con: Any, sql: str) -> Any:
    return con.execute(sql).fetchall()[0][0]
