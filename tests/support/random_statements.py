"""Statements without AI functions, drawn from a seed: joins, CTEs, subqueries, views, aggregates, windows, set operations
and the ways of writing that a planner may stumble over. What they return does not depend on the order of rows."""

from __future__ import annotations

from random import Random

TABLES = """
create table tickets as
select i, 'ticket ' || (i % 90) || ' ä😀' as body, case when i % 7 = 0 then null else 'tag ' || (i % 5) end as tag,
       i % 40 as person, i % 13 as points
from range(600) r(i);
create table people as
select i as person, 'person ' || (i % 25) as name, 'Straße ' || (i % 6) as "The Address" from range(40) r(i);
create temp table notes as select i * 3 as i, 'note' || (i % 30) as body, 'plain' as tag, i % 4 as points from range(150) r(i);
create view open_tickets as select * from tickets where points > 3;
create macro shout(x) as upper(x) || '!';
"""
TEXTS = {"body", "tag", "name", "The Address", "what"}

# Each has i (a number), body, tag and points.
_SOURCES = (
    "tickets t", "open_tickets t", "notes t", "(select * from tickets where i % 3 = 0) t", "seen t",
    "(select t.*, p.name from tickets t join people p using (person)) t",
    "(from open_tickets select i, body, tag, points) t",
    "(select i, body || 'x' as body, tag, points from notes union all select i, body, tag, points from tickets where i < 50) t",
    "(select max(i) as i, body, max(tag) as tag, sum(points) as points from tickets group by body) t",
    "(select distinct on (body) i, body, tag, points from tickets order by body, i) t",
    "(values (1, 'a', 'b', 2), (2, 'c', null, 3), (2, 'c', 'a', 5)) t(i, body, tag, points)",
)  # fmt: skip
_CONDITIONS = (
    "t.i < 120", "t.points in (1, 2, 5)", "t.tag is not null", "t.body like '%1%'", "t.i between 10 and 200", "t.points > 4",
    "t.tag = 'tag 3'", "exists (select 1 from people p where p.person = t.i % 50)", "not (t.i % 2 = 0 and t.points < 6)",
    "t.i in (select n.i from notes n where n.body is not null)", "(t.points = 3 or t.tag = 'tag 1')",
    "t.points >= (select avg(n.points) from notes n where n.body <> '')", "case when t.i < 20 then t.tag is null else true end",
    "/* a ' comment */ t.points <> 7 -- ä\n",
)  # fmt: skip
_JOINS = (
    "join people p on p.person = t.i % 40", "left join people p on p.person = t.i and p.name <> 'person 3'",
    "join notes n on n.i = t.i", "left join notes n on n.i = t.i and n.tag = t.tag", "cross join (select 'one' as what) w",
    "semi join people p on p.person = t.i", "anti join notes n on n.i = t.i", "join lateral (select t.body as what) w on true",
)  # fmt: skip
_COLUMNS = {
    " p ": ("p.name", 'p."The Address"'), " n ": ("n.body as other", "n.tag"), " w": ("w.what",),
    "": ("t.i", "t.body", "t.tag", "t.points", "t.points + 1 as more", "shout(t.tag) as loud", "concat(t.tag, t.body) as both",
         "case when t.points > 5 then t.body else t.tag end as either",
         "row_number() over (partition by t.tag order by t.i, t.body) as place", "lag(t.body) over (order by t.i, t.body, t.tag) as before"),
}  # fmt: skip
_AGGREGATES = (
    "count(*) as n", "sum(t.points) as total", "max(t.body) as body", "min(t.tag) as least", "count(distinct t.body) as texts",
    "max(t.i) as last", "list(t.tag order by t.i, t.body, t.tag) as tags",
)  # fmt: skip


def statement(random: Random) -> str:
    """One query. Every LIMIT stands after an order of all columns."""
    made = _select(random)
    if random.random() < 0.12:
        made = f"({made}) {random.choice(['union all', 'union', 'except', 'intersect'])} ({made})"
    elif random.random() < 0.25:
        where = random.choice(["q.body is not null", "q.tag <> 'tag 2'", "length(q.body) > 6"])
        made = f"select q.* from ({_rows(random)}) q where {where}"
    elif random.random() < 0.15:
        made = f"from ({made}) q select *"
    ctes = ["seen as (select * from tickets where i > 30 and tag is not null)"]
    if random.random() < 0.3:
        ctes.append(f"few as ({_rows(random)})")
        made = random.choice(
            [f"select s.body, s.tag from few s join ({made}) m on true where s.i < 9", "select count(*) as n, s.tag from few s group by s.tag",
             "select a.body, b.tag from few a join few b on a.i = b.i where b.points > 2"]
        )  # fmt: skip
    if random.random() < 0.1:
        ctes.append("steps as (select 1 as i union all select i + 1 from steps where i < 5)")
        made = f"select m.* from ({_rows(random)}) m join steps on steps.i = m.i"
    return f"with recursive {', '.join(ctes)}\n{made}"


def _rows(random: Random) -> str:
    """i, body, tag and points of some rows."""
    conditions = random.sample(_CONDITIONS, random.randint(1, 3))
    return f"select t.i, t.body, t.tag, t.points from {random.choice(_SOURCES)} where {' and '.join(conditions)}"


def _select(random: Random) -> str:
    joins = random.sample(_JOINS, 1) if random.random() < 0.45 else []
    at_hand = list(_COLUMNS[""])
    for join in joins:
        for relation, columns in _COLUMNS.items():
            if relation and relation in join and not join.startswith(("semi", "anti")):
                at_hand = [*columns, *at_hand[:6]]
    conditions = random.sample(_CONDITIONS, random.randint(0, 3))
    where = f" where {random.choice([' and ', ' and ', ' or ']).join(conditions)}" if conditions else ""
    source = f"from {random.choice(_SOURCES)} {' '.join(joins)}{where}"
    if random.random() < 0.35:
        by = random.sample(["t.tag", "t.body", "t.points"], random.randint(1, 2))
        items = [*by, *random.sample(_AGGREGATES, random.randint(1, 3))]
        keys = random.choice([", ".join(by), ", ".join(by), "all", f"rollup ({', '.join(by)})"])
        having = random.choice(["", "", " having count(*) > 1", " having max(t.points) > 3"])
        return f"select {', '.join(items)} {source} group by {keys}{having}"
    items = random.sample(at_hand, random.randint(1, min(4, len(at_hand))))
    distinct = "distinct " if random.random() < 0.15 else ""
    tail = ""
    if random.random() < 0.35:
        places = ", ".join(map(str, range(1, len(items) + 1)))
        tail = f" order by {places} limit {random.randint(1, 30)}" + random.choice(["", " offset 2"])
    return f"select {distinct}{', '.join(items)} {source}{tail}"
