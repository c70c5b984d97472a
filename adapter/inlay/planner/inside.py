"""Statements that are no query: their calls are answered for the rows that the query inside reads, and looked up in the
statement as it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sqlglot import exp

from inlay.parsing.kinds import kind_place
from inlay.parsing.marks import numbers_in
from inlay.parsing.query_inside import Rest, query_inside, table_name
from inlay.parsing.reading import call_at, calls_in, parsed
from inlay.parsing.statement import Statement
from inlay.parsing.tokens import Text, closing
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons

_SOURCE = "_inlay_source"


def query_read(statement: Statement) -> Statement | None:
    """The query whose rows an UPDATE, DELETE, MERGE, PIVOT, UNPIVOT, SUMMARIZE or SET VARIABLE reads, or an INSERT with
    calls in RETURNING, with the same calls; None of another statement. Raises Unplannable where there is none."""
    tokens = statement.text.words
    main = kind_place(tokens)
    kind = tokens[main].lower if main < len(tokens) else ""
    rest = Rest(statement.text, tokens, main)
    read = _READERS.get(kind)
    if read is None:
        return None
    query = read(rest)
    if query is None:
        return None
    if not numbers_in(query):
        raise Unplannable(reasons.statement_kind(kind.upper()))
    made = Statement(Text(query), statement.calls, statement.names)
    if kind in _NAMED and any(map(_has_no_name, made.tree.find_all(exp.Select))):
        raise Unplannable(reasons.without_name(kind.upper()))
    return made


_NAMED = ("pivot", "unpivot", "summarize")
"""Statements that make columns, or rows, of the names of the columns that they read."""


def _has_no_name(select: exp.Select) -> bool:
    """Whether DuckDB makes the name of a column with a call, which would be another one for a lookup."""
    return any(calls_in(item) and not isinstance(item, exp.Alias) for item in select.expressions)


def _deleted(rest: Rest) -> str:
    """Of DELETE: RETURNING reads the rows as they were."""
    inside = query_inside(rest.text)
    if inside is None or not numbers_in(inside.rest):
        return "" if inside is None else inside.query
    return inside.query.replace("SELECT 1 FROM", f"SELECT {inside.rest} FROM", 1)


def _updated(rest: Rest) -> str:
    """Of UPDATE: RETURNING reads the rows as SET makes them."""
    inside = query_inside(rest.text)
    if inside is None or not numbers_in(inside.rest):
        return "" if inside is None else inside.query
    clauses = rest.clauses(rest.main + 1, {"set", "from", "where", "returning"})
    parts, name = rest.parts(*clauses["set"]), rest.tokens[clauses[""][1] - 1].text
    values = [rest.assigned(*part) for part in parts]
    if any(rest.tokens[first + 1].text != "=" for first, _ in parts) or "default" in map(str.lower, values):
        return inside.query
    columns = ", ".join(f"{value} AS {rest.tokens[at].text}" for value, (at, _) in zip(values, parts, strict=True))
    made = inside.query.replace(f"SELECT {', '.join(values)} FROM", f"SELECT {name}.* REPLACE ({columns}) FROM", 1)
    return f"SELECT {inside.rest} FROM ({made}) AS {name}"


def _inserted(rest: Rest) -> str | None:
    """Of INSERT with calls in RETURNING, which read the new rows. None of others, and where some rows of the query may
    be left out, or a call reads a default."""
    inside = query_inside(rest.text)
    if inside is None:
        return None
    word, _, items = inside.rest.partition(" ")
    if word.lower() != "returning" or not numbers_in(items):
        return None
    before, found, _ = rest.text.partition(inside.query)
    if not found or rest.tokens[rest.main + 1].lower != "into":
        return None
    columns = before[before.rindex(inside.changes) + len(inside.changes) :].strip()
    if columns and not (
        columns.startswith("(") and _columns_of_calls(items) <= {table_name(each) for each in columns[1:-1].split(",")}
    ):
        return None
    name = table_name(inside.changes)
    query = f"SELECT * FROM ({inside.query}) AS _inlay_q{columns}"
    rows = f"FROM {inside.changes} WHERE false UNION ALL{' BY NAME' * bool(columns)} {query}"
    return f'SELECT {items} FROM ({rows}) AS "{name}"'


def _columns_of_calls(items: str) -> set[str]:
    """What the calls of a SELECT list read."""
    tree = parsed(f"SELECT {items}")
    nodes = [node for node in tree.find_all(exp.Anonymous, exp.AnonymousAggFunc) if call_at(node) is not None]
    return {column.name.lower() for node in nodes for column in node.find_all(exp.Column)}


def _summarized(rest: Rest) -> str:
    """Of SUMMARIZE SELECT …"""
    return rest.with_before(rest.written(rest.main + 1, _end(rest)))


def _assigned(rest: Rest) -> str:
    """Of SET VARIABLE name = value."""
    outside = rest.outside(rest.main)
    at = next((i for i in outside if rest.tokens[i].text == "="), None)
    if at is None or "variable" not in [rest.tokens[i].lower for i in outside if i < at]:
        return ""
    return f"SELECT {rest.written(at + 1, _end(rest))}"


def _pivoted(rest: Rest) -> str:
    """The source of PIVOT (query) ON …, or UNPIVOT."""
    first = rest.main + 1
    if first >= len(rest.tokens) or rest.tokens[first].text != "(":
        return ""
    return rest.with_before(rest.written(first + 1, closing(rest.tokens, first)))


def _end(rest: Rest) -> int:
    return next((i for i in rest.outside(0) if rest.tokens[i].text == ";"), len(rest.tokens))


def _merged(rest: Rest) -> str:
    """What the actions of a MERGE evaluate, each over the rows that come to it."""
    clauses = rest.clauses(rest.main + 1, {"into", "using", "on", "when", "returning"})
    if not {"into", "using", "on", "when"} <= clauses.keys():
        return ""
    target, source, on = (rest.written(*clauses[name]) for name in ("into", "using", "on"))
    if numbers_in(on):
        return ""
    before = ""
    tokens = rest.tokens[slice(*clauses["using"])]
    if numbers_in(source):
        if tokens[0].text != "(":
            return ""
        alias = rest.written(clauses["using"][0] + closing(tokens, 0) + 1, clauses["using"][1])
        bare = alias[3:].strip() if alias.lower().startswith("as ") else alias
        before, source = f"{_SOURCE} AS MATERIALIZED (SELECT * FROM {source})", f"{_SOURCE} AS {bare or _SOURCE}"
    actions = list(_actions(rest, clauses["on"][1] + 1, _end_of_actions(rest, clauses)))
    selects = [
        f"SELECT {values} FROM {_joined(kind, target, source)} ON {on}{condition}"
        for kind, values, condition in actions
        if numbers_in(values + condition)
    ] or [f"SELECT * FROM {source}"]
    query = " UNION ALL BY NAME ".join(f"({each})" for each in selects)
    if not before:
        return rest.with_before(query)
    with_ = rest.text[: rest.tokens[rest.main].start].rstrip()
    return f"{with_}, {before} {query}" if with_ else f"WITH {before} {query}"


def _joined(kind: str, target: str, source: str) -> str:
    if kind == "source":
        return f"{target} ANTI JOIN {source}"
    return f"{source} ANTI JOIN {target}" if kind == "target" else f"{target} JOIN {source}"


def _end_of_actions(rest: Rest, clauses: dict[str, tuple[int, int]]) -> int:
    return clauses["returning"][0] - 1 if "returning" in clauses else _end(rest)


def _actions(rest: Rest, first: int, end: int) -> Iterator[tuple[str, str, str]]:
    """Of each WHEN: which rows come to it (matched, target, source), what it evaluates as columns, and its WHERE."""
    outside = [i for i in rest.outside(first) if i < end]
    cuts = [i for i in outside if rest.tokens[i].lower == "when"]
    taken: dict[str, list[str]] = {}
    for number, (begin, last) in enumerate(zip([first - 1, *cuts], [*cuts, end], strict=True)):
        inside = [i for i in outside if begin < i < last]
        then = next((i for i in inside if rest.tokens[i].lower == "then"), last)
        words = [rest.tokens[i].lower for i in inside if i < then]
        kind = "matched" if words[:1] == ["matched"] else "source" if words[2:4] == ["by", "source"] else "target"
        and_ = next((i for i in inside if i < then and rest.tokens[i].lower == "and"), None)
        own = [] if and_ is None else [f"({rest.written(and_ + 1, then)})"]
        where = " AND ".join([*(f"{each} IS NOT TRUE" for each in taken.get(kind, [])), *own])
        taken.setdefault(kind, []).append(own[0] if own else "TRUE")
        values = _values(rest, then + 1, last)
        columns = ", ".join(f"{value} AS _inlay_c{number}_{i}" for i, value in enumerate(values))
        yield kind, columns or "1", f" WHERE {where}" if where else ""


def _values(rest: Rest, first: int, end: int) -> list[str]:
    """The expressions of UPDATE SET a = …, b = …, and of INSERT … VALUES (…)."""
    outside = [i for i in rest.outside(first) if i < end]
    words = {rest.tokens[i].lower: i for i in outside}
    if "set" in words:
        return [rest.assigned(*part) for part in rest.parts(words["set"] + 1, end)]
    if "values" in words and words["values"] + 1 < end:
        at = words["values"] + 1
        return [rest.written(*part) for part in rest.parts(at + 1, closing(rest.tokens, at))]
    return []


_READERS: Mapping[str, Callable[[Rest], str | None]] = {
    "insert": _inserted, "update": _updated, "delete": _deleted, "merge": _merged, "pivot": _pivoted,
    "unpivot": _pivoted, "summarize": _summarized, "set": _assigned,
}  # fmt: skip
