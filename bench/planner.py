"""What does planning a statement save, and what does it cost?

calls      sixteen statements as people write them: rows that DuckDB alone hands to the functions, distinct inputs that
           the functions ask the model for when DuckDB calls them, and inputs that the planned statement asks for. With
           the fake model, for the counts. Answers are forgotten between statements
wall       the same statements on the real default model: seconds by DuckDB calling the functions over seconds planned,
           with functions that keep no answers from chunk to chunk (as a function of one's own would), and with ours
planning   seconds that inlay.explain() takes for a dbt model of 200 lines with nine calls over an empty table: to plan
           it, and for DuckDB to bind its queries for inputs; and what a statement without a call costs more on
           inlay.connect() than on the connection inside
"""

from __future__ import annotations

import math
import time
from typing import Any

import pyarrow as pa

from bench.asking import asked_by, forget
from bench.report import save, spread, table
from bench.texts import make_texts

_KINDS = "['bug', 'praise', 'question', 'delivery']"

# (what a person wants, how it is written)
STATEMENTS = {
    "the newest twenty bugs": f"select id, body from tickets where ai_classify(body, {_KINDS}) = 'bug' "
    "order by created_at desc limit 20",
    "how the newest fifty feel": "select id, ai_sentiment(body) as mood from tickets order by created_at desc limit 50",
    "angry or marked urgent": "select count(*) from tickets where ai_sentiment(body) = 'negative' or priority < 5",
    "unhappy on a Monday": "select id from tickets where ai_sentiment(body) = 'negative' "
    "and strftime(created_at, '%A') = 'Monday' and hash(id) % 4 = 0",
    "two conditions with calls": "select count(*) from tickets where ai_filter(body, 'a text', threshold := -1.0) "
    "and ai_similarity(subject, 'my parcel is late') > 0.5",
    "kinds counted": f"select ai_classify(body, {_KINDS}) as kind, count(*) from tickets group by kind order by 2 desc",
    "one call in four places": "select id, ai_sentiment(subject), length(ai_sentiment(subject)) from tickets "
    "where ai_sentiment(subject) <> 'neutral' order by ai_sentiment(subject), id",
    "tickets of few customers": f"with enriched as (select id, customer_id, ai_classify(body, {_KINDS}) as kind "
    "from tickets) select e.id, e.kind, v.name from enriched e join vips v on v.id = e.customer_id",
    "the last ticket of each customer": "select customer_id, ai_sentiment(body) as mood from tickets "
    "qualify row_number() over (partition by customer_id order by created_at desc, id) = 1",
    "only where it matters": "select id, case when priority > 8 then ai_sentiment(body) else 'unknown' end "
    "from tickets",
    "is there any": "select 1 from tickets where ai_sentiment(body) = 'positive' limit 1",
    "a view, one country": "select id, mood from moods where country = 'PT'",
    "shares by country": "select country, avg((ai_sentiment(subject) = 'negative')::int) from tickets group by all",
    "a few of each": "select id, ai_sentiment(body) from tickets where country = 'PT' union all "
    "select id, ai_sentiment(subject) from tickets where country = 'DE' limit 40",
    "three functions, one text": f"select ai_classify(subject, {_KINDS}), ai_sentiment(subject), ai_embed(subject)[1] "
    "from tickets where country in ('PT', 'DE')",
    "a page of search results": "select id, ai_similarity(subject, 'refund') as closeness from tickets "
    "where country = 'PT' order by closeness desc limit 10",
}


def _warehouse(n_rows: int, **options: Any) -> Any:
    """Tickets whose texts repeat as people's do: a few often, many once or twice."""
    import inlay

    con: Any = inlay.connect(progress="off", **options)
    bodies, subjects = make_texts("mixed", n_rows // 4), make_texts("short", n_rows // 20)
    texts = pa.table({"body": bodies})  # noqa: F841
    titles = pa.table({"subject": subjects})  # noqa: F841
    raw = con.duckdb
    raw.execute("create table bodies as select row_number() over () - 1 as n, body from texts")
    raw.execute("create table titles_ as select row_number() over () - 1 as n, subject from titles")
    raw.execute(
        f"""
        create table tickets as
        select i as id, body, subject, hash(i) % 10 as priority, hash(i, 1) % {n_rows // 20} as customer_id,
               timestamp '2026-01-01' + interval (hash(i, 2) % 20_000_000) second as created_at,
               ['PT', 'DE', 'FR', 'US', 'US', 'US', 'US', 'US', 'FR', 'DE'][1 + (hash(i, 3) % 10)::int] as country
        from range({n_rows}) r(i)
        join bodies b on b.n = floor({len(bodies)} * pow((hash(i, 4) % 10_000) / 10_000.0, 2))
        join titles_ t on t.n = floor({len(subjects)} * pow((hash(i, 5) % 10_000) / 10_000.0, 2))
        """
    )
    raw.execute("create table vips as select i * 97 as id, 'customer ' || i as name from range(12) r(i)")
    con.execute("create view moods as select *, ai_sentiment(body) as mood from tickets")
    return con


def calls(short: bool) -> None:
    n = 5_000 if short else 50_000
    con = _warehouse(n, model="fake")
    rows, found = [], {}
    for title, statement in STATEMENTS.items():
        counts = {}
        for way, run in (("alone", con.duckdb.execute), ("planned", con.execute)):
            forget(con)
            _, asked = asked_by(con, lambda run=run, statement=statement: run(statement).fetchall())  # type: ignore[misc]
            counts[way] = (asked.rows, asked.inferred)
        (alone, distinct), (_, sent) = counts["alone"], counts["planned"]
        found[title] = {"alone": alone, "distinct": distinct, "sent": sent}
        rows.append([title, f"{alone:,}", f"{distinct:,}", f"{sent:,}", f"{alone / max(sent, 1):,.1f}"])
    savings = [one["alone"] / max(one["sent"], 1) for one in found.values()]
    print(f"{n:,} tickets\n")
    print(table(["statement", "rows, DuckDB alone", "distinct of them", "sent", "rows alone / sent"], rows))
    mean = math.exp(sum(map(math.log, savings)) / len(savings))
    print(f"\ngeometric mean of the saving: {mean:.1f}; least: {min(savings):.1f}")
    save("planner.calls", {"tickets": n, "statements": found, "mean": mean})
    con.close()


def wall(short: bool) -> None:
    n, rounds = (2_000, 1) if short else (12_000, 1)
    con, forgetful = _warehouse(n), _warehouse(n, memory_mb=0)
    con.execute("select ai_embed('warm')").fetchall()
    ways = {"no memory": forgetful.duckdb.execute, "functions": con.duckdb.execute, "planned": con.execute}
    seconds: dict[str, dict[str, list[float]]] = {title: {way: [] for way in ways} for title in STATEMENTS}
    for _ in range(rounds):
        for title, statement in STATEMENTS.items():
            for way, run in ways.items():
                forget(con)
                began = time.perf_counter()
                run(statement).fetchall()
                seconds[title][way].append(time.perf_counter() - began)
    rows = [
        [title, *(spread(took[way]) for way in ways), *(spread(_over(took[way], took["planned"])) for way in _OTHERS)]
        for title, took in seconds.items()
    ]
    whole = {way: [sum(took[way][r] for took in seconds.values()) for r in range(rounds)] for way in ways}
    print(f"{n:,} tickets, {rounds} rounds; answers are forgotten before each statement\n")
    print(table(["statement", *(f"{way} s" for way in ways), *(f"{way} / planned" for way in _OTHERS)], rows))
    for way in _OTHERS:
        print(f"\nthe whole set, {way} over planned: {spread(_over(whole[way], whole['planned']))}")
    save("planner.wall", {"tickets": n, "seconds": seconds, "whole": whole})
    con.close()
    forgetful.close()


_OTHERS = ("no memory", "functions")


def _over(ones: list[float], others: list[float]) -> list[float]:
    return [one / other for one, other in zip(ones, others, strict=True)]


def planning(short: bool) -> None:
    import inlay

    con = _warehouse(200, model="fake")
    con.execute("delete from tickets")  # so that what is left is planning, and DuckDB's binding
    sql = long_model()
    inlay.explain(con, sql)
    times = []
    for _ in range(5 if short else 25):
        began = time.perf_counter()
        inlay.explain(con, sql)
        times.append(1e3 * (time.perf_counter() - began))
    print(f"a dbt model of {len(sql.splitlines())} lines, {sql.count('ai_')} calls: {spread(times, '.1f')} ms\n")
    statement = "select count(*) from vips where name like '%customer%' and id > 3"
    extra = []
    for _ in range(9):
        took = []
        for run in (con.duckdb.execute, con.execute):
            began = time.perf_counter()
            for _ in range(200):
                run(statement).fetchall()
            took.append((time.perf_counter() - began) / 200 * 1e3)
        extra.append(took[1] - took[0])
    print(f"a statement without a call costs {spread(extra, '.3f')} ms more")
    save("planner.planning", {"lines": len(sql.splitlines()), "ms": times, "without a call ms": extra})
    con.close()


def long_model(n_columns: int = 17) -> str:
    """As long dbt models are: a chain of nine CTEs, each with a call and so many plain columns."""
    parts = []
    source = "tickets"
    for step in range(9):
        columns = "\n".join(
            f"        , case when priority > {i} then upper(subject) else lower(subject) end as c{step}_{i}"
            for i in range(n_columns)
        )
        parts.append(
            f"step_{step} as (\n    select id, body, subject, priority, country, created_at\n{columns}\n"
            f"        , ai_sentiment(body) as mood_{step}\n    from {source}\n    where country <> 'X{step}'\n)"
        )
        source = f"step_{step}"
    return "with " + "\n, ".join(parts) + f"\nselect * from {source}"


PARTS = {"calls": calls, "wall": wall, "planning": planning}
SHORT = ("calls", "planning")
