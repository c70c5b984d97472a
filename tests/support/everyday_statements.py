"""Statements with calls in every clause that DuckDB has, drawn from a seed, over columns of every kind: what people write,
and the corners of it. Not every one binds; both ways of running it then have to say so."""

from __future__ import annotations

import itertools
from random import Random

import inlay
from support.installed_versions import DUCKDB
from support.outcomes import Pair

TABLES = """
create type mood as enum ('calm', 'cross', 'glad');
create table x as
select i, 't' || (i % 13) as a, i % 3 as k, case when i % 4 = 0 then null else 'n' || (i % 5) end as n,
       (date '2024-01-01' + (i % 6)::int) as d, ('{"b": "v' || (i % 4) || '", "c": ' || i % 3 || '}')::json as j,
       (['calm', 'cross', 'glad'])[1 + i % 3]::mood as e, ('00000000-0000-0000-0000-00000000000' || (i % 7))::uuid as u,
       ['l' || (i % 3), 'm' || (i % 2), null] as l, {'b': 's' || (i % 5), 'c': i % 2} as s,
       map {'one': 'o' || (i % 3)} as m, (i / 4)::decimal(8, 2) as f, timestamp '2024-03-01' + interval (i % 5) hour as ts
from range(24) r(i);
create table y as select i as k, 'w' || i as w, i % 2 as z, case when i = 2 then null else 't' || i end as a from range(5) r(i);
create table empty as select * from x limit 0;
create table target (k int primary key, w varchar, z int default 7);
insert into target values (0, 'old 0', 1), (1, 'old 1', 2), (9, 'old 9', 3);
create view v as select i, a, n, k from x where i % 2 = 0;
create macro shout(t) as upper(t) || '!';
create macro feeling(t) as ai_sentiment(t);
create macro feelings(b) as table select i, ai_sentiment(a) as felt from x where k = b;
create sequence numbers;
attach ':memory:' as other;
create table other.main.x2 as select i, 'o' || i % 4 as a from range(6) r(i);
"""

_databases = itertools.count(1)


def connections() -> Pair:
    """Two with the same tables."""
    pair = tuple(inlay.connect(model="fake", language_model="fake-generate", progress="off") for _ in range(2))
    begin_anew(pair)
    return pair


def begin_anew(pair: Pair) -> None:
    """The tables as they were, in a new database; nothing is left of what statements have made."""
    name = f"data_{next(_databases)}"
    for con in pair:
        run = con.duckdb.execute
        run("use memory.main; set variable felt = null; detach database if exists other")
        for (old,) in run("select database_name from duckdb_databases() where database_name like 'data%'").fetchall():
            run(f"detach {old}")
        for (table,) in run("select table_name from duckdb_tables() where temporary").fetchall():
            run(f"drop table temp.{table}")
        for (prepared,) in run("select name from duckdb_prepared_statements()").fetchall():
            run(f"deallocate prepare {prepared}")
        con.execute(f"attach ':memory:' as {name}; use {name}; {TABLES}")


_TEXTS = (
    "{t}.a", "{t}.a", "{t}.a", "{t}.n", "{t}.n", "upper({t}.a)", "{t}.a.upper()", "({t}.a).upper().lower()", "{t}.a || {t}.n",
    "concat({t}.a, {t}.n)", "coalesce({t}.n, {t}.a)", "{t}.a[:2]", "{t}.a[1]", "case when {t}.k = 1 then {t}.a else {t}.n end",
    "shout({t}.a)", "{t}.k::varchar", "nullif({t}.a, 't3')", "'constant'", "null::varchar", "trim({t}.a || '  ')",
    "{t}.a collate nocase", "if({t}.k = 2, {t}.a, 'else')", "{t}.a || chr(10) || 'b'", "format('{{}} {{}}', {t}.a, {t}.k)",
)  # fmt: skip
# DuckDB 1 names a column of one by a text that it does not read.
_COMPREHENSIONS = ("[z.upper() for z in {t}.l][1]",) if DUCKDB >= 2 else ()
_OF_X = (
    "{t}.j", "{t}.j->>'b'", "{t}.j->'b'", "{t}.j.b", "{t}.i", "{t}.d", "{t}.e", "{t}.u", "{t}.l[1]", "{t}.l[1].lower()", "{t}.s.b",
    "{t}.s['b']", "{t}.m['one']", "{t}.f", "{t}.ts", "{t}.d::varchar", "list_extract({t}.l, 2)", "array_to_string({t}.l, ',')",
    "strftime({t}.d, '%d')", "json_extract_string({t}.j, '$.b')", "{t}.i % 3", *_COMPREHENSIONS,
)  # fmt: skip


class Draw:
    """Parts of a statement."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def of(self, *choices: str) -> str:
        return self.random.choice(choices)

    def text(self, table: str) -> str:
        every = _TEXTS + (_OF_X if table in ("x", "q") else ())
        return self.random.choice(every).format(t=table)

    def value(self, table: str, depth: int = 1) -> str:
        """A call whose value is a text."""
        text = self.text(table)
        if depth and self.random.random() < 0.12:
            text = self.value(table, depth - 1)
        return self.of(
            f"ai_sentiment({text})", f"ai_sentiment({text})", f"ai_classify({text}, ['good', 'bad', 'ugly'])", f"ai_complete({text})",
            f"try_ai_sentiment({text}).value", f"ai_extract({text}, ['who', 'what']).who", f"ai_redact({text})", f"feeling({text})",
            f"ai_classify({text}, ['good', 'bad'], model := 'fake-generate')", f"ai_sentiment(text := {text})",
        )  # fmt: skip

    def condition(self, table: str) -> str:
        text = self.text(table)
        return self.of(
            f"{self.value(table)} = 'positive'", f"{self.value(table)} <> 'negative'", f"{self.value(table)} in ('positive', 'good')",
            f"ai_filter({text}, 'is good', threshold := 0.0)", f"not ai_filter({text}, 'is bad', threshold := 0.1)",
            f"ai_similarity({text}, {self.text(table)}) > 0", f"ai_similarity({text}, 'query') > 0.1", f"{self.value(table)} is not null",
            f"list_cosine_similarity(ai_embed({text}), ai_embed('query')) > .1", f"length({self.value(table)}) > 8",
            f"{self.value(table)} like '%o%'", f"({self.value(table)} = 'positive' or {table}.k = 1)",
            f"case when {table}.k = 1 then {self.value(table)} = 'positive' else true end", f"coalesce({self.value(table)} = 'mixed', true)",
        )  # fmt: skip

    def cheap(self, table: str) -> str:
        return self.of(
            f"{table}.k = 1",
            f"{table}.k < 2",
            f"{table}.a > 't2'",
            f"{table}.a is not null",
            f"{table}.k in (0, 2)",
            "true",
        )

    def item(self, table: str) -> str:
        value, n = self.value(table), self.random.randint(1, 9)
        return self.of(
            value, f"{value} as c{n}", f"{value} as c{n}", f"coalesce({value}, 'none') as c{n}", f"if({table}.k = 1, {value}, 'x') as c{n}",
            f"case {table}.k when 1 then {value} when 99 then {self.value(table)} end as c{n}", f"upper({value}) as c{n}",
            f"{self.condition(table)} as c{n}", f"{{'f': {value}, 'k': {table}.k}} as c{n}", f"[{value}, {self.value(table)}] as c{n}",
            f"(select {value}) as c{n}", f"(select max(w) from y where y.k = {table}.k and {value} is not null) as c{n}",
            f"ai_extract({self.text(table)}, ['who', 'what']) as c{n}", f"ai_similarity({self.text(table)}, 'query')::float as c{n}",
            f"len(ai_embed({self.text(table)})) as c{n}", f"list_transform([{table}.a], lambda z: z || {value}) as c{n}", f"{value}[1:3] as c{n}",
            f"ai_detect_pii({self.text(table)}) as c{n}", f"count({value}) over (partition by {table}.k) as c{n}",
            f"rank() over (order by {value}, {table}.a) as c{n}", f"try_cast({value} as int) as c{n}",
        )  # fmt: skip

    def items(self, table: str) -> str:
        names = self.random.sample(
            [f"{table}.a", f"{table}.k", f"{table}.*", f"{table}.a as c"], self.random.randint(0, 2)
        )
        every = [*names, *(self.item(table) for _ in range(self.random.randint(1, 2)))]
        self.random.shuffle(every)
        return ", ".join(every)

    def where(self, table: str) -> str:
        parts = [
            self.cheap(table) if self.random.random() < 0.4 else self.condition(table)
            for _ in range(self.random.randint(1, 3))
        ]
        return f"where {self.of(' and ', ' and ', ' or ').join(parts)}"

    def source(self) -> tuple[str, str]:
        """What stands after FROM, and the name whose columns are read."""
        return self.random.choice(
            [
                ("x", "x"), ("x", "x"), ("x", "x"), ("v", "v"), ("empty x", "x"), ("y", "y"), ("main.x", "x"), ("(from x) q", "q"),
                ("(select * from x where i % 2 = 0) q", "q"), ("x as q", "q"), ("x tablesample 100%", "x"),
                (f"x {self.of('', 'left ', 'right ', 'full ')}join y using (k)", self.of("x", "y")),
                (f"x {self.of('', 'left ', 'inner ', 'semi ', 'anti ')}join y on x.k = y.k and {self.condition('x')}", "x"),
                (f"x {self.of('', 'left ')}join y on x.a = y.a", self.of("x", "y")), ("y natural join (select k from x) n", "y"),
                ("x cross join y", self.of("x", "y")), ("x positional join y", self.of("x", "y")), ("x, y", self.of("x", "y")),
                ("x asof join y on x.i >= y.z", self.of("x", "y")), (f"x join y on {self.value('x')} = {self.value('y')}", "x"),
                ("x, lateral (select x.a || y.w as a, y.k, y.a as n from y where y.k = x.k) q", "x"), ("x, unnest(x.l) u(p)", "x"),
                (f"(select {self.value('x')} as a, k, n from x) v", "v"), ("(values ('p', 1, null), ('q', 2, 'r')) v(a, k, n)", "v"),
                (f"(select x.a, x.k, {self.value('x')} as n from x order by x.i limit 5) v", "v"),
            ]
        )  # fmt: skip


def _select(draw: Draw) -> str:
    source, table = draw.source()
    random = draw.random
    if random.random() < 0.3:
        return _grouped(draw, source, table)
    where = f" {draw.where(table)}" if random.random() < 0.55 else ""
    qualify = ""
    if random.random() < 0.1:
        qualify = (
            f" qualify rank() over (partition by {table}.k order by {table}.a) {draw.of('= 1', '<= 3')} "
            + draw.of("", f"and {draw.condition(table)}")
        )
    distinct = draw.of("", "", "", "", "", "distinct ", f"distinct on ({table}.k, {table}.a) ")
    tail = draw.of(
        "",
        "",
        "",
        f" order by {draw.value(table)}, {table}.a",
        " order by all",
        " order by all limit 4",
        " order by all limit 3 offset 2",
    )
    text = f"select {distinct}{draw.items(table)} from {source}{where}{qualify}"
    if "on" in distinct:  # which row stays is for an order to say
        return text + " order by all"
    return text + ("" if distinct and "(" in tail else tail)


def _grouped(draw: Draw, source: str, table: str) -> str:
    key = draw.of(draw.value(table), f"{table}.k", f"{table}.a")
    listed = draw.value(table)  # in an order that leaves no two values to chance
    aggregate = draw.of(
        "count(*)", f"max({draw.value(table)})", f"count(distinct {draw.value(table)})", f"count(*) filter ({draw.condition(table)})",
        f"count(*) filter (where {draw.condition(table)})", f"list({listed} order by {draw.value(table)}, {listed})", f"min({table}.a)",
        f"string_agg({listed}, ',' order by {table}.a, {table}.k, {listed})", f"ai_agg({draw.text(table)}, 'what is it?')",
        f"bool_or({draw.condition(table)})", f"min({table}.k) + sum(length({draw.value(table)}))", f"histogram(ai_sentiment({table}.a))",
        f"ai_complete(max({table}.a))", f"ai_sentiment(string_agg({table}.a, ' ' order by {table}.a))",
    )  # fmt: skip
    by = draw.of("all", "all", key, key, "1", f"grouping sets (({key}), ())", f"rollup ({key})")
    having = draw.of("", "", "", " having count(*) > 1", f" having ai_sentiment(max({table}.a)) is not null")
    where = f" {draw.where(table)}" if draw.random.random() < 0.3 else ""
    return f"select {key} as key, {aggregate} as value from {source}{where} group by {by}{having}{draw.of('', ' order by all', ' order by 1, 2 limit 3')}"


def _query(draw: Draw) -> str:
    value, select = draw.value("x"), _select(draw)
    return draw.random.choice(
        [
            *[select] * 22,
            f"with c as ({select}) select * from c", f"with c as (select x.*, {value} as felt from x) select felt, count(*) from c group by felt",
            f"with c as (select x.a, x.k, {value} as felt from x) select * from c where felt {draw.of('=', '<>')} 'positive' and k = {draw.of('0', '1')}",
            f"with c(p, q) as (select x.i, {value} from x) select q, p from c join y on y.k = c.p",
            f"with c as materialized ({select}) select count(*) from c", f"select * from ({select}) q limit 100", f"from ({select}) q",
            f"select q.p from (select {value}, x.k from x) as q(p, z) join y on y.k = q.z",
            f"({select}) union all ({_select(draw)})", f"select {value} from x union select w from y", f"select a from x except select {draw.value('y')} from y",
            f"select {value} from x where k = 0 union all by name select {draw.value('x')} as other from x where k = 1",
            "with recursive r as (select 1 as i, 't1' as a union all select i + 1, 't' || (i + 1) from r where i < 4) "
            f"select i, {draw.of('ai_sentiment(r.a)', 'ai_complete(r.a.upper())')} from r",
            "with recursive r as (select 1 as i, ai_complete('t') as a union all select i + 1, ai_complete(a) from r where i < 3) from r",
            f"select x.a, (select {draw.value('y')} from y where y.k = x.k) from x", f"select a from x where exists (select 1 from y where y.k = x.k and {draw.condition('y')})",
            f"select a from x where a in (select y.a from y where {draw.condition('y')})", f"select {value} as topic, topic || '!' as loud from x",
            f"select {value} as topic from x where topic = 'positive'", f"select x.* replace ({value} as a) from x", f"select x.* exclude (j), {value} as c from x",
            "select columns('a|n'), ai_sentiment(a) from x", "select ai_sentiment(columns('a|n')) from x", f"pivot (select k, a, {value} as p from x) on p using count(*) group by k",
            f"unpivot (select k, {value} as p, a from x) on p, a into name nm value vl", "select * from feelings(1)", "select a, feeling(a) from x where feeling(a) = 'positive'",
            f"select unnest([{value}, 'b']) from x", "select * from unnest([ai_complete('q'), ai_sentiment('w')])", "select unnest(ai_extract(x.a, ['who', 'what'])) from x",
            f"select {value} from x order by x.i limit 2", f"select {value} from x where x.i > 100", f"describe select {value} as p from x", f"summarize select {value} as p from x",
            "select ai_sentiment('one'), ai_sentiment('one') from x", "select ai_sentiment('one')", "select o.a, ai_sentiment(o.a) from other.main.x2 o", "values (ai_sentiment('a')), (ai_complete('b'))",
            f"select x.a from x where {draw.condition('x')} and x.i = (select max(i) from x where {draw.condition('x')})", f"select list(x.a order by {value}, x.i) from x",
            f"select first(x.a order by x.i) filter (where {draw.condition('x')}) from x", f"select sum(case when {draw.condition('x')} then 1 else 0 end) from x group by x.k",
            f"select {value}, nosuch from x", "select ai_sentiment(x.a, nosuch := 1) from x", f"select {value} from nosuch x", f"select x.a from x order by {value}, x.i limit 3",
            "select case x.k when 99 then ai_sentiment((x.a::int)::varchar) end from x", f"select #1, {value} from x order by #2, #1", f"select {value} from x window w as (partition by x.k)",
            f"select rank() over w, {value} from x window w as (partition by k order by a, i)", f"select lag({value}) over (order by x.i) from x", f"select x.k, count(*) from x group by x.k having ai_sentiment(max(x.a)) {draw.of('=', '<>')} 'positive'",
            f"select struct_pack(p := {value}).p from x", f"select * from (select {value} as p, x.k from x) q join (select {draw.value('x')} as p, x.k from x) r on q.p = r.p where q.k = 1 and r.k = 2",
        ]
    )  # fmt: skip


def _change(draw: Draw) -> str:
    """A statement that changes tables; the others read."""
    value, select = draw.value("x"), _select(draw)
    keyed = f"select k, {draw.of('ai_sentiment(w)', 'ai_complete(w)', 'ai_redact(w)')} as w, z from y"
    returning = draw.of("", "", " returning k", " returning w, ai_sentiment(w) as felt")
    return draw.random.choice(
        [
            f"create table made as {select}", f"create or replace table y as {select}", f"create temp table made as select {value} as p from x", f"create table x as select {value} as p from x",
            f"create table if not exists y as select {value} as p from x", f"insert into target {keyed} where k > 1{returning}", f"insert into target (w, k) select {value}, 100 + x.i from x",
            f"insert into target {keyed} on conflict do nothing{returning}", f"insert into target {keyed} on conflict (k) do update set w = excluded.w",
            f"insert or replace into target {keyed}", "insert into target values (50, ai_sentiment('fifty'), 1), (51, ai_complete('more'), 2)" + returning, f"insert into nosuch {keyed}",
            f"insert into target select k, {draw.value('y')} from y", f"insert into target by name select k + 60 as k, {draw.value('y')} as w from y", f"insert into target {keyed}",
            f"update target set w = ai_sentiment(w){returning}", f"update target set w = ai_complete(w) where k {draw.of('= 1', '> 0', '> 100')}", f"update target set w = y.w from y where y.k = target.k and {draw.condition('y')}",
            f"update target set w = {draw.value('y')} from y where y.k = target.k{draw.of('', ' returning target.w')}", f"delete from target where ai_sentiment(w) {draw.of('=', '<>')} 'positive'{returning}",
            f"delete from x where {draw.condition('x')}", f"delete from target using y where y.k = target.k and {draw.condition('y')}",
            f"merge into target using ({keyed}) s on target.k = s.k when matched then update set w = s.w when not matched then insert values (s.k, s.w, s.z)",
            f"merge into target using y on target.k = y.k when matched and {draw.condition('y')} then delete", f"create view made as select {value} as p from x; select * from made",
            f"create table made as {select}; select count(*) from made", f"select 1; {select}", f"insert into target {keyed} where k = 3; update target set w = ai_redact(w) where k = 3; select * from target",
            f"prepare ask as {select}; execute ask", f"set variable felt = (select max({value}) from x); select getvariable('felt')", f"begin; {select}",
            f"begin; create table made as {select}; rollback", "create macro asked(t) as ai_sentiment(t || '?'); select asked(a) from x", f"create table other.main.made as select {value} as p from x", f"truncate target; insert into target {keyed}", f"alter table x add column felt varchar; update x set felt = {value}", f"select nextval('numbers'), {value} from x where i < 3",
        ]
    )  # fmt: skip


def statement(random: Random) -> tuple[str, bool]:
    """A text of one or more statements, and whether it changes what is stored."""
    draw = Draw(random)
    if random.random() < 0.25:
        return _change(draw), True
    return _query(draw), False
