"""What does planning a statement save, and what does it cost?

calls      sixteen statements as people write them: rows that DuckDB alone hands to the functions, distinct inputs that
           the functions ask the model for when DuckDB calls them, and inputs that the planned statement asks for. With
           the fake model, for the counts. Answers are forgotten between statements
wall       the same statements on the real default model: seconds by DuckDB calling the functions over seconds planned,
           with functions that keep no answers from chunk to chunk (as a function of one's own would), and with ours
planning   seconds of the CPU to plan a dbt model of 500 lines with four calls: text to plan, and the queries for its
           inputs; and what a statement without a call costs more on inlay.connect() than on the connection inside
shapes     what grows with the calls of a statement: CPU to plan and run it, answers known, over 50 rows, with the
           number of queries for inputs and the length of the text that runs; beside what some of them, and
           the sixteen statements, may take at most
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from statistics import quantiles
from typing import Any

import pyarrow as pa

import inlay
from bench.asking import asked_by, forget
from bench.report import median, save, spread, table
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
    import sqlglot.parser

    from inlay.parsing.statement import Statement
    from inlay.planner.gather import gathers
    from inlay.planner.plan import Plan, make_plan

    con = _warehouse(200, model="fake")
    session = inlay.attach(con)
    sql, rounds = long_model(), 5 if short else 20
    specs = session.called

    def plan() -> Plan:
        return make_plan(Statement.read(sql, specs), str)

    made = plan()

    def queries() -> None:
        for place, number in enumerate(made.stages):
            list(gathers(made.statement, number, made.stages[:place]))

    steps = {"the plan": _cpu_ms(plan, rounds), "queries for inputs": _cpu_ms(queries, rounds)}
    compiled = not sqlglot.parser.__file__.endswith(".py")
    print(f"a dbt model of {len(sql.splitlines())} lines, {sql.count('ai_')} calls; sqlglot compiled: {compiled}\n")
    print(table(["step", "ms of the CPU"], [[step, spread(took, ".1f")] for step, took in steps.items()]))
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
    found = {
        "lines": len(sql.splitlines()),
        "compiled": compiled,
        "ms": steps,
        "without a call ms": extra,
    }
    save("planner.planning", found)
    con.close()


def _cpu_ms(run: Callable[[], Any], rounds: int) -> list[float]:
    """Of each round after two that warm up."""
    took = []
    for _ in range(rounds + 2):
        began = time.thread_time()
        run()
        took.append(1e3 * (time.thread_time() - began))
    return took[2:]


def shapes(short: bool) -> None:
    """CPU of all threads, of small tables and known answers: nearly all of it is planning, ours and DuckDB's."""
    from inlay.execution.replacement_scan import with_tables
    from inlay.execution.statement import prepare

    con = _warehouse(200, model="fake", language_model="fake-generate")
    con.execute("create table few as select id, subject as a, id % 3 as k from tickets limit 50")
    session = inlay.attach(con)
    rows, found, ahead = [], {}, dict[str, float]()
    for title, sql in SHAPES.items():
        took: dict[str, list[float]] = {"ahead": [], "statement": []}
        for _ in range(1 + (3 if short else 7)):
            began = time.process_time()
            prepared = prepare(session, con.duckdb, sql)
            half = time.process_time()
            with_tables(con.duckdb, prepared.sql, prepared.tables, prepared.parameters, "execute").fetchall()
            took["ahead"].append(1e3 * (half - began))
            took["statement"].append(1e3 * (time.process_time() - half))
        took = {step: each[1:] for step, each in took.items()}
        ahead[title] = median(took["ahead"])
        n_queries = sum(len(staged.texts) for staged in prepared.staged.values())
        found[title] = {**took, "queries": n_queries, "characters": [len(sql), len(prepared.sql)]}
        both = list(map(sum, zip(*took.values(), strict=True)))
        sizes = [str(n_queries), f"{len(prepared.sql) / len(sql):.1f}"]
        rows.append([title, spread(both, ".0f"), *(spread(each, ".0f") for each in took.values()), *sizes])
    columns = ["statement", "ms of the CPU", "ahead of it", "the statement", "queries", "times its length"]
    print(table(columns, rows))
    everyday = sorted(median(_cpu_ms(partial(prepare, session, con.duckdb, sql), 7)) for sql in STATEMENTS.values())
    wanted = {title: (ahead[title], most) for title, most in _WANTED.items()}
    wanted["40 calls over 10 calls"] = (ahead["40 calls"] / ahead["10 calls"], 5)
    wanted["the sixteen statements, median"] = (median(everyday), 8)
    wanted["the sixteen statements, 95th percentile"] = (quantiles(everyday, n=20)[-1], 30)
    print("\nplanning alone\n")
    print(table(["", "ms of the CPU", "at most"], [[t, f"{ms:.1f}", f"{most}"] for t, (ms, most) in wanted.items()]))
    save("planner.shapes", {"shapes": found, "wanted": wanted})
    con.close()


_WANTED = {
    "40 calls": 1_000,
    "one call in 80 columns": 300,
    "one call in 80 conditions": 300,
    "5 calls in each other": 300,
    "100 sides of UNION ALL": 1_000,
}
"""The most that planning may take, in ms."""


def _many(n: int) -> list[str]:
    return [f"ai_complete(a || '{i}')" for i in range(n)]


def _listed(calls: list[str]) -> str:
    return ", ".join(f"{call} as c{i}" for i, call in enumerate(calls))


def _deep(depth: int) -> str:
    text = "a"
    for level in range(depth):
        text = f"ai_complete({text})" if level % 2 else f"ai_summarize({text})"
    return text


def _joined(n: int, conditions: str = "") -> str:
    """CTEs with a call each, side by side."""
    ctes = ", ".join(f"c{i} as (select k, ai_complete(a || '{i}') as r{i} from few{conditions})" for i in range(n))
    return f"with {ctes} select * from c0 " + " ".join(f"positional join c{i}" for i in range(1, n))


_CHAIN = ", ".join(
    f"c{i} as (select *, ai_complete(a || '{i}') as r{i} from {f'c{i - 1}' if i else 'few'})" for i in range(15)
)

SHAPES = {
    "1 call": "select ai_complete(a) as r from few where k = 1",
    "10 calls": f"select {_listed(_many(10))} from few",
    "40 calls": f"select {_listed(_many(40))} from few",
    "40 calls below LIMIT": f"select {_listed(_many(40))} from few order by k limit 10",
    "40 calls in a subquery": f"select * from (select {_listed(_many(40))} from few) where c3 is not null",
    "one call in 80 columns": f"select {_listed([f'length(ai_complete(a)) + {i}' for i in range(80)])} from few",
    "one call in 80 conditions": "select k from few where "
    + " or ".join(f"ai_complete(a) = 'x{i}'" for i in range(80)),
    **{f"{n} calls in each other": f"select {_deep(n)} as r from few" for n in (2, 4, 5, 6)},
    "100 sides of UNION ALL": " union all ".join(f"select k, {call} as r from few" for call in _many(100)),
    "15 CTEs in a chain": f"with {_CHAIN} select * from c14",
    "40 CTEs side by side": _joined(40),
    "40 scalar subqueries": f"select {_listed([f'(select max({call}) from few)' for call in _many(40)])}",
    "40 different conditions": "select k from few where " + " and ".join(f"{call} <> 'x'" for call in _many(40)),
    "40 branches of CASE": "select case "
    + " ".join(f"when {call} = 'x' then k" for call in _many(40))
    + " end from few",
    "30 subqueries in each other": f"select ai_complete(a) as r from {'(select * from ' * 30}few{')' * 30}",
    "19 joins": "select ai_complete(t.a) as r from few t "
    + " ".join(f"join (select k, max(id) as m from few group by k) t{i} on t{i}.k = t.k" for i in range(19)),
    "2,000 values in IN": f"select ai_complete(a) as r from few where id in ({', '.join(map(str, range(2_000)))})",
    "a call beside 300 columns": f"select {_listed([f'id + {i}' for i in range(300)])}, ai_complete(a) as r from few",
}


_ENRICHED = {
    2: "ai_sentiment(s.body) as mood",
    5: "ai_classify(s.subject, ['bug', 'praise', 'question', 'delivery']) as kind",
    8: "ai_similarity(s.body, 'my parcel is late') as lateness",
}


def long_model(n_lines: int = 500, n_steps: int = 10) -> str:
    """As long dbt models are: CTE after CTE, each with many columns, CASEs and a join; four calls in all."""
    steps, source = [], "tickets"
    for step in range(n_steps):
        columns = ["s.id", "s.body", "s.subject", "s.priority", "s.country", "s.created_at", "s.customer_id"]
        for i in range((n_lines // n_steps - 20) // 3):
            columns.append(
                f"case\n            when s.priority > {i} then upper(s.subject)\n"
                f"            when s.country in ('PT', 'DE') then 'x{i}'\n"
                f"            else coalesce(lower(s.subject), 'none')\n        end as c{step}_{i}"
                if i % 2
                else f"round(s.priority * {i + 1} / 7.0, 2)::double as n{step}_{i}"
            )
        if step in _ENRICHED:
            columns.append(_ENRICHED[step])
        columns += [f"s.{call.rpartition(' ')[2]}" for done, call in _ENRICHED.items() if done < step]
        listed = ",\n".join(f"        {column}" for column in [*columns, f"v.name as vip_{step}"])
        steps.append(
            f"step_{step} as (\n\n    select\n{listed}\n    from {source} as s\n    left join vips as v\n"
            f"        on v.id = s.customer_id\n        and v.name <> 'nobody {step}'\n"
            f"    where s.country <> 'X{step}'\n        and (s.priority > 0 or s.subject is not null)\n\n)"
        )
        source = f"step_{step}"
    final = (
        "select\n    f.country,\n    f.kind,\n    count(*) as n,\n    avg(f.lateness) as lateness,\n"
        f"    sum(case when f.mood = 'negative' then 1 else 0 end) as unhappy\nfrom {source} as f\n"
        "where ai_filter(f.body, 'somebody wants their money back', threshold := 0.1)\n"
        "group by f.country, f.kind\norder by n desc\n"
    )
    return "with " + ",\n\n".join(steps) + f"\n\n{final}"


PARTS = {"calls": calls, "wall": wall, "planning": planning, "shapes": shapes}
SHORT = ("calls", "planning", "shapes")
