"""The query inside a statement: what a dry run may run of it, so that nothing is written.

Of SELECT, CREATE TABLE … AS, INSERT, COPY … TO, UPDATE and DELETE it is the query whose rows the statement reads. Every
other statement has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from inlay.parsing.kinds import BEGIN_A_QUERY, kind_place, writing_inside
from inlay.parsing.reading import parsed
from inlay.parsing.tokens import Text, Word, closing, spliced, split
from inlay.parsing.unplannable import Unplannable

WITH_A_QUERY = "SELECT, CREATE TABLE … AS, INSERT, COPY … TO, UPDATE and DELETE"

_BEFORE_THE_KIND = {"or", "replace", "temp", "temporary", "local", "global", "unique", "persistent", "secret"}


@dataclass(frozen=True)
class Inside:
    """query: '' where the statement reads no rows. creates, changes: the table that the statement makes, or writes to.
    rest: what it evaluates beside the query, over rows that are only there once it has run."""

    query: str
    creates: str = ""
    changes: str = ""
    rest: str = ""


def query_inside(sql: str) -> Inside | None:
    """None where the statement is of a kind that has no such query; `statement_kind` names it."""
    text = Text.of(sql)
    tokens = text.words
    main = kind_place(tokens)
    if main == len(tokens) or writing_inside(text) is not None:
        return None
    kind = tokens[main].lower
    if kind in BEGIN_A_QUERY:
        return Inside(sql)
    read = _READERS.get(kind)
    return None if read is None else read(Rest(text, tokens, main))


def statement_kind(sql: str) -> str:
    """As people call it: CREATE VIEW, SET, COPY … FROM."""
    tokens = Text.of(sql).words
    main = kind_place(tokens)
    if main == len(tokens):
        return "an empty statement"
    kind = tokens[main].text.upper()
    if written := writing_inside(sql):
        return f"WITH … {written}"
    if kind == "COPY":
        return "COPY … FROM"
    if kind in ("CREATE", "DROP", "ALTER"):
        of = next((word.text.upper() for word in tokens[main + 1 :] if word.lower not in _BEFORE_THE_KIND), "")
        return f"{kind} {of}".strip()
    return kind


def tables_read(query: str) -> set[str]:
    """Names of the tables in a query, in lower case and without their schema. Where it cannot be read: every word."""
    try:
        tree = parsed(query)
    except Unplannable:
        return {table_name(word.text) for word in Text.of(query).words}
    hidden = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    return {table.name.lower() for table in tree.find_all(exp.Table)} - hidden


def table_name(written: str) -> str:
    """The last part of a table's name as it is written, as DuckDB compares it."""
    words = Text.of(written).words
    return words[-1].text.strip('"').lower() if words else ""


@dataclass(frozen=True)
class Rest:
    """A statement from its kind on. main: the place of that word; before it stands a WITH clause or nothing."""

    text: Text
    tokens: list[Word]
    main: int

    def written(self, first: int, end: int) -> str:
        """The text of the words from `first` to the one before `end`."""
        return self.text[self.tokens[first].start : self.tokens[end - 1].end] if first < end else ""

    def with_before(self, query: str) -> str:
        """The query with the WITH clause of the statement."""
        return f"{self.text[: self.tokens[self.main].start]}{query}" if self.main else query

    def name(self, first: int) -> str:
        """The table's name that begins with a word."""
        end = first + 1
        while end + 1 < len(self.tokens) and self.tokens[end].text == ".":
            end += 2
        return self.written(first, min(end, len(self.tokens)))

    def outside(self, first: int) -> list[int]:
        """Places of the words from `first` on that are in no bracket; of a bracket, of the one that opens it."""
        places, i = [], first
        while i < len(self.tokens):
            places.append(i)
            i = closing(self.tokens, i) + 1 if self.tokens[i].text in ("(", "[", "{") else i + 1
        return places

    def clauses(self, first: int, names: set[str]) -> dict[str, tuple[int, int]]:
        """Clause → (its first word, one past its last). What stands before the first clause is under ''."""
        found: dict[str, tuple[int, int]] = {}
        name, begin = "", first
        for i in self.outside(first):
            word = self.tokens[i].lower
            if word not in names or word in found or self.tokens[i - 1].lower == "distinct":  # IS DISTINCT FROM
                continue
            found[name] = begin, i
            name, begin = word, i + 1
        found[name] = begin, len(self.tokens)
        return found

    def parts(self, first: int, end: int) -> list[tuple[int, int]]:
        """What commas separate: (its first word, one past its last)."""
        return [(first + begin, first + last) for begin, last in split(self.tokens[first:end])]

    def assigned(self, first: int, end: int) -> str:
        """The value in `column = value`."""
        equals = next(i for i in self.outside(first) if self.tokens[i].text.startswith("="))
        return self.text[self.tokens[equals].start + 1 : self.tokens[end - 1].end].strip()


def _create(rest: Rest) -> Inside | None:
    tokens, outside = rest.tokens, rest.outside(rest.main + 1)
    at = next((i for i in outside if tokens[i].lower not in _BEFORE_THE_KIND), None)
    if at is None or tokens[at].lower != "table":
        return None
    begin = next((i + 1 for i in outside if i > at and tokens[i].lower == "as"), len(tokens))
    name = rest.name(at + 4 if tokens[at + 1].lower == "if" else at + 1)  # IF NOT EXISTS
    last = [word.lower for word in tokens[-3:]]
    if last == ["with", "no", "data"]:
        return Inside("", creates=name)
    query = rest.written(begin, len(tokens) - 2 if last[1:] == ["with", "data"] else len(tokens))
    return _of_query(query, Inside("", creates=name))


def _insert(rest: Rest) -> Inside | None:
    tokens = rest.tokens
    into = next((i for i in rest.outside(rest.main + 1) if tokens[i].lower == "into"), None)
    if into is None:
        return None
    outside = rest.outside(into + 1)
    name = rest.name(into + 1)
    begin = next((i for i in outside if _begins_query(tokens, i)), None)
    if begin is None:
        return Inside("", changes=name) if tokens[-1].lower == "values" else None  # DEFAULT VALUES
    end = next((i for i in outside if i > begin and _ends_query(tokens, i)), len(tokens))
    query, first = rest.written(begin, end), tokens[begin].start
    if tokens[begin].lower == "values":
        defaults = [word for word in tokens[begin:end] if word.lower == "default"]
        query = spliced(query, [(word.start - first, word.end - first, "NULL") for word in defaults])
    query = rest.with_before(f"SELECT * FROM ({query})") if rest.main else query
    return _of_query(query, Inside("", changes=name, rest=rest.written(end, len(tokens))))


def _copy(rest: Rest) -> Inside | None:
    tokens, first = rest.tokens, rest.main + 1
    outside = rest.outside(first)
    to = next((i for i in outside if tokens[i].lower in ("to", "from")), None)
    if to is None or tokens[to].lower == "from" or to == first:
        return None
    if tokens[first].text == "(":
        return _of_query(rest.written(first + 1, closing(tokens, first)), Inside(""))
    bracket = next((i for i in outside if i < to and tokens[i].text == "("), to)
    columns = rest.written(bracket + 1, closing(tokens, bracket)) if bracket < to else "*"
    return Inside(f"SELECT {columns} FROM {rest.written(first, bracket)}")


def _update(rest: Rest) -> Inside | None:
    clauses = rest.clauses(rest.main + 1, {"set", "from", "where", "returning"})
    if "set" not in clauses:
        return None  # UPDATE EXTENSIONS
    values = [rest.assigned(*part) for part in rest.parts(*clauses["set"])]
    values = [value for value in values if value.lower() != "default"]
    return _of_rows(rest, clauses, "", "from", f"SELECT {', '.join(values) or '1'}")


def _delete(rest: Rest) -> Inside | None:
    clauses = rest.clauses(rest.main + 1, {"from", "using", "where", "returning"})
    return _of_rows(rest, clauses, "from", "using", "SELECT 1") if "from" in clauses else None


def _of_rows(rest: Rest, clauses: Mapping[str, tuple[int, int]], target: str, others: str, select: str) -> Inside:
    """Of a statement that changes rows. target, others: the clauses that name its table and further ones."""
    tables = ", ".join(rest.written(*clauses[name]) for name in (target, others) if name in clauses)
    where = f" WHERE {rest.written(*clauses['where'])}" if "where" in clauses else ""
    returning = rest.written(*clauses["returning"]) if "returning" in clauses else ""
    query = rest.with_before(f"{select} FROM {tables}{where}")
    return Inside(query, changes=rest.name(clauses[target][0]), rest=returning)


def _of_query(query: str, about: Inside) -> Inside | None:
    """`about` with a text as its query, where that is one."""
    found = query_inside(query) if query else None
    if found is None or found.creates or found.changes:
        return None
    return Inside(query, about.creates, about.changes, about.rest)


def _begins_query(tokens: list[Word], i: int) -> bool:
    """A bracket may hold the query, or the columns that are filled."""
    inner = tokens[i + 1].lower if tokens[i].text == "(" and i + 1 < len(tokens) else tokens[i].lower
    return inner in BEGIN_A_QUERY and (inner != "values" or tokens[i - 1].lower != "default")


def _ends_query(tokens: list[Word], i: int) -> bool:
    after = [word.lower for word in tokens[i + 1 : i + 3]]
    on_conflict = tokens[i].lower == "on" and after[:1] == ["conflict"] and after[1:] in (["do"], ["("])
    return on_conflict or tokens[i].lower == "returning"


_READERS: Mapping[str, Callable[[Rest], Inside | None]] = {
    "create": _create, "insert": _insert, "copy": _copy, "update": _update, "delete": _delete,
}  # fmt: skip
