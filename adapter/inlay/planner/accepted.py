"""What DuckDB refuses of functions with side effects, or of macros, in a form that it takes, planned or not.

try(f(ai_x(a)))                        the call outside: list_transform([{c0: ai_x(try(a))}], lambda t: try(f(t.c0)))[1]
ai_agg(a, 'q') FILTER (WHERE c)        ai_agg(CASE WHEN c THEN a END, 'q'): NULL texts are left out
ai_agg(DISTINCT a, 'q' ORDER BY i)     the macro that takes the list itself, over a list that is made so
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from inlay.parsing.marks import number_of, numbers_in
from inlay.parsing.statement import Call, Specs, Statement
from inlay.parsing.tokens import Text, Word, closing, split, words
from inlay.parsing.unplannable import Unplannable
from inlay.planner.aggregates import list_of, of_list
from inlay.planner.lookups import named_columns

_TRIED = "_inlay_t"


def as_duckdb_takes(sql: Text, specs: Specs, column_name: Callable[[str], str]) -> Text:
    """The statement with such parts written otherwise. column_name: how DuckDB names a column of that text. Whatever
    cannot be read is left as it is: DuckDB says what is wrong with it."""
    lower = {word.lower for word in sql.words}
    if not lower & {"try", "filter", "distinct", "order"}:
        return sql
    try:
        statement = Statement.read(sql, specs)
        lists = {number: made for number in statement.calls if (made := _gathered(statement, number)) is not None}
        if lists:
            # sqlglot does not read all of these: names are made of what is left without DISTINCT and ORDER BY.
            bare = _with_calls(statement, {number: bare for number, (bare, _) in lists.items()})
            statement = named_columns(bare, column_name)
            statement = _with_calls(statement, {number: made for number, (_, made) in lists.items()})
        if tries := list(_tries(statement)):
            statement = named_columns(statement, column_name)
            tries = list(_tries(statement))
        elif not lists:
            return sql
        return _with(statement, statement.text.spliced(tries)).plain
    except Unplannable:
        return sql


def _with(statement: Statement, text: str) -> Statement:
    there = set(numbers_in(text))
    calls = {number: call for number, call in statement.calls.items() if number in there}
    return Statement(Text(text), calls, statement.names)


def _with_calls(statement: Statement, texts: Mapping[int, str]) -> Statement:
    """The statement with other texts in the place of some of its calls."""
    words, pieces = statement.words, []
    for number, text in texts.items():
        at = statement.place(number)
        last = closing(words, at + 1)
        if [word.lower for word in words[last + 1 : last + 4]] == ["filter", "(", "where"]:
            last = closing(words, last + 2)
        pieces.append((words[at].start, words[last].end, text))
    return _with(statement, statement.text.spliced(pieces))


def _tries(statement: Statement) -> Iterator[tuple[int, int, str]]:
    """The outermost try(…) with calls inside, as they are written otherwise."""
    found, i = statement.words, 0
    while i < len(found) - 1:
        if found[i].lower == "try" and found[i + 1].text == "(" and (i == 0 or found[i - 1].text != "."):
            last = closing(found, i + 1)
            inside = statement.text[found[i + 1].end : found[last].start] if last < len(found) else ""
            if numbers_in(inside):
                yield found[i].start, found[last].end, _tried(statement, inside)
                i = last
        i += 1


def _tried(statement: Statement, text: str) -> str:
    """try(text), with the calls in it made outside. A row of theirs that fails is NULL."""
    tokens, pieces, made = words(text), [], []
    i = 0
    while i < len(tokens):
        number = number_of(tokens[i].text)
        if number is None or number not in statement.calls:
            i += 1
            continue
        last = closing(tokens, i + 1)
        made.append(_call(statement, statement.calls[number], tokens[i].text, text, tokens[i + 2 : last]))
        pieces.append((tokens[i].start, tokens[last].end, f"{_TRIED}.c{len(made) - 1}"))
        i = last + 1
    if len(made) == 1 and text.strip() == text[pieces[0][0] : pieces[0][1]]:
        return made[0]
    fields = ", ".join(f"'c{place}': {call}" for place, call in enumerate(made))
    return f"list_transform([{{{fields}}}], lambda {_TRIED}: try({Text(text).spliced(pieces)}))[1]"


def _call(statement: Statement, call: Call, mark: str, text: str, inside: list[Word]) -> str:
    """A call whose row values are tried each for itself, and whose failed rows are NULL. inside: its arguments."""
    written, at = [], 0
    for first, last in split(inside):
        argument = text[inside[first].start : inside[last - 1].end]
        if len(inside) > first + 1 and inside[first + 1].text in (":=", "=>"):
            if inside[first].lower != "on_error":
                written.append(argument)
            continue
        is_value = at < len(call.spec.args) and not call.spec.args[at].is_setting
        at += 1
        if numbers_in(argument):
            written.append(_tried(statement, argument))
        else:
            written.append(f"try({argument})" if is_value and last - first > 1 else argument)
    if any(option.name == "on_error" for option in call.spec.options):
        written.append("on_error := 'null'")
    return f"{mark}({', '.join(written)})"


def _gathered(statement: Statement, number: int) -> tuple[str, str] | None:
    """(without DISTINCT and ORDER BY, as it is written otherwise), of an aggregate that has these, or FILTER. None of
    any other call."""
    call, found, text = statement.calls[number], statement.words, statement.text
    at = statement.place(number)
    last = closing(found, at + 1)
    inside = found[at + 2 : last]
    filters = [word.lower for word in found[last + 1 : last + 4]] == ["filter", "(", "where"]
    is_distinct = bool(inside) and inside[0].lower == "distinct"
    outside = _outside(inside)
    order = next((i for i in outside if [w.lower for w in inside[i : i + 2]] == ["order", "by"]), None)
    if not call.gathers or not inside or not (filters or is_distinct or order is not None):
        return None
    arguments = inside[is_distinct:order]
    first, *rest = [text[arguments[i].start : arguments[j - 1].end] for i, j in split(arguments)]
    condition = text[found[last + 3].end : found[closing(found, last + 2)].start].strip() if filters else ""
    kept = f"CASE WHEN {condition} THEN {first} END" if filters else first
    bare = f"{found[at].text}({', '.join([kept, *rest])})"
    if not is_distinct and order is None:
        return bare, bare
    by = text[inside[order].start : inside[-1].end] if order is not None else ""
    made = list_of(call.spec, first, distinct=is_distinct, order=by, where=condition)
    return bare, f"{of_list(statement.names[number])}({', '.join([made, *rest])})"


def _outside(inside: list[Word]) -> list[int]:
    """Places of the words that are in no bracket."""
    places, i = [], 0
    while i < len(inside):
        places.append(i)
        i = closing(inside, i) + 1 if inside[i].text in ("(", "[", "{") else i + 1
    return places
