"""A column of ai_redact that a rule moves: whoever reads it, by whatever name or as part of a row, reads what was redacted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import inlay
from support.plain_and_planned import same_both_ways

MADE = "(select ai_redact(x) as a, id from t)"
CTE = f"with c as {MADE}"


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", progress="off") as connection:
        connection.execute(
            """
            create table t as select 'write to a' || i || '@example.com' as x, i as id, i % 3 as g from range(20) r(i);
            create table u as select i * 2 as k from range(4) r(i);
            create table other as select i as id, 'write to ' || i as a from range(5) r(i);
            """
        )
        yield connection


@pytest.mark.parametrize(
    "sql",
    [
        f"select q.b from {MADE} as q(b, i) join u on q.i = u.k",
        f"{CTE} select q.b from c as q(b, i) join u on q.i = u.k",
        f"with c(b, i) as {MADE} select q.b from c as q join u on q.i = u.k",
        f"select q.b from {MADE} as q(b, i) order by q.i limit 3",
        "select q.b from (select ai_redact(x) as a, id from t union all select ai_redact(x), id from t) as q(b, i) "
        "join u on q.i = u.k",
        f"select z.b from ({MADE} q join u on q.id = u.k) z(b, i)",
        f"select q::varchar as row from {MADE} q join u on q.id = u.k",
        f"select to_json(q) as row from {MADE} q join u on q.id = u.k",
        f"select q.id from {MADE} q join u on q.id = u.k where q::varchar like '%[EMAIL]%'",
        f"select #1 from {MADE} q join u on q.id = u.k",
        f"select q.id from {MADE} q natural join other order by q.id limit 3",
        f"{CTE} select q.a from main.other q, c join u on c.id = u.k",
        'select q."0" from (select ai_redact(x) as a, id, g from t) pivot (max(a) for g in (0, 1)) q '
        "join u on q.id = u.k",
        "select q.v from (select ai_redact(x) as a, id from t) unpivot (v for n in (a)) q join u on q.id = u.k",
    ],
)
def test_it_is_read_as_on_the_plain_path(con: Any, sql: str) -> None:
    same_both_ways(con, sql)
    assert "example.com" not in str(con.execute(sql).fetchall())
