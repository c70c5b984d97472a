"""What would fail in a text of SQL, told from the text: nothing in it is run, and no model is.

Only what concerns inlay's functions is said. A call is bound as it would be when it runs, so its faults are worded as
they will be; its labels and options are taken from the text where they are constants, and not checked where they are
not.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import duckdb

from inlay.errors import ConfigError, InlayError, ModelError, UnknownModelError
from inlay.execution.session import Session
from inlay.functions.spec import FunctionSpec, named_options
from inlay.parsing.query_inside import statement_kind
from inlay.parsing.statement import Call, Statement
from inlay.parsing.tokens import Text, Word
from inlay.parsing.unplannable import Unplannable
from inlay.planner.evaluation import is_constant_text
from inlay.planner.plan import make_plan

Level = Literal["error", "warning", "note"]

RULES: dict[str, tuple[Level, str]] = {
    "syntax": ("error", "DuckDB does not read the statement"),
    "compile": ("error", "dbt does not compile the node"),
    "unknown-function": ("error", "There is no function of that name"),
    "wrong-call": ("error", "A call whose arguments, labels or options are refused"),
    "unknown-model": ("error", "A call that names a model which is not registered"),
    "model": ("error", "A model that cannot be used here"),
    "view-in-dbt": ("error", "A dbt view that calls a model fails for every reader without inlay"),
    "view": ("warning", "A view that calls a model fails for every reader without inlay"),
    "not-planned": ("note", "A call that is made row by row, while the statement runs"),
}
"""Every rule: how grave it is, and what it is about."""

_ERROR_LINE = re.compile(r"\n\nLINE (\d+): (.*)\n( *)\^", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """start: the position in the text that was checked, in characters."""

    rule: str
    message: str
    start: int = 0
    function: str = ""

    @property
    def level(self) -> Level:
        return RULES[self.rule][0]


def check_text(session: Session, sql: str) -> list[Finding]:
    """Findings of each statement of a text, in the order of their places."""
    try:
        duckdb.extract_statements(sql)
    except duckdb.Error as error:
        return [_syntax(sql, str(error))]
    tokens = Text.of(sql).words
    ends = [word.start for word in tokens if word.text == ";"] + [len(sql)]
    own = _own_macros(tokens)
    found: list[Finding] = []
    begin = 0
    for end in ends:
        statement = sql[begin:end]
        found += [
            Finding(each.rule, each.message, begin + each.start, each.function)
            for each in _check_statement(session, statement, own)
        ]
        begin = end + 1
    return sorted(found, key=lambda each: each.start)


def _syntax(sql: str, error: str) -> Finding:
    message, start = error.split("\n\n")[0], 0
    if place := _ERROR_LINE.search(error):
        line = int(place[1])
        before = len(f"LINE {line}: ")
        start = len("".join(sql.splitlines(keepends=True)[: line - 1])) + max(0, len(place[3]) - before)
    return Finding("syntax", " ".join(message.split()), min(start, len(sql)))


def _own_macros(tokens: list[Word]) -> set[str]:
    """Functions that the text defines itself."""
    return {after.lower.strip('"') for word, after in itertools.pairwise(tokens) if word.lower in ("macro", "function")}


def _check_statement(session: Session, sql: str, own: set[str]) -> Iterator[Finding]:
    yield from _unknown_functions(session, sql, own)
    if not session.mentions.calls(sql):
        return
    try:
        statement = Statement.read(sql, session.called)
    except Unplannable as reason:
        yield Finding("not-planned", _not_planned(str(reason)), _first_call(session, sql))
        return
    places = {number: statement.words[statement.place(number)].start for number in statement.calls}
    wrong = set()
    for number, call in statement.calls.items():
        for rule, message in _check_call(session, call):
            wrong.add(number)
            yield Finding(rule, message, places[number], call.spec.name)
    if statement_kind(sql) == "CREATE VIEW":
        first = min(places.values(), default=0)
        yield Finding("view", f"{RULES['view'][1]}. Write CREATE TABLE … AS.", first)
        return
    yield from _check_plan(statement, {number: at for number, at in places.items() if number not in wrong})


def _check_plan(statement: Statement, places: dict[int, int]) -> Iterator[Finding]:
    try:
        reasons = make_plan(statement, lambda text: text).reasons
    except Unplannable as unplannable:
        reasons = dict.fromkeys(places, str(unplannable))
    for number, reason in reasons.items():
        if number in places:
            name = statement.calls[number].spec.name
            yield Finding("not-planned", f"{name}: {_not_planned(reason)}", places[number], name)


def _not_planned(reason: str) -> str:
    return f"this call is not answered ahead of the statement because {reason}"


def _unknown_functions(session: Session, sql: str, own: set[str]) -> Iterator[Finding]:
    prefix = session.settings.prefix.lower()
    like_ours = re.compile(rf'"?{re.escape(prefix)}(try_)?ai_\w+"?', re.IGNORECASE)
    known = {(prefix + name).lower() for spec in session.specs.values() for name in (spec.name, spec.try_name)} | own
    tokens = Text.of(sql).words
    for word, after in itertools.pairwise(tokens):
        name = word.lower.strip('"')
        if after.text == "(" and like_ours.fullmatch(word.text) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else " All of them: inlay functions"
            yield Finding("unknown-function", f"there is no function {word.text}.{hint}", word.start, name)


def _first_call(session: Session, sql: str) -> int:
    tokens = Text.of(sql).words
    return next((word.start for word in tokens if word.lower.strip('"') in session.called), 0)


def _check_call(session: Session, call: Call) -> Iterator[tuple[str, str]]:
    """(rule, message) of what binding the call refuses."""
    spec = call.spec
    missing = [each.name for each in spec.args[len(call.arguments) :] if each.default is None]
    missing = [name for name in missing if name not in call.options]
    if missing:
        yield "wrong-call", f"{spec.name}: {', '.join(missing)} is not given. All about it: inlay functions {spec.name}"
        return
    try:
        given = call.settings
    except Unplannable as reason:
        yield "wrong-call", str(reason)
        return
    if unknown := [name for name in call.options if name not in {each.name for each in (*spec.args, *spec.options)}]:
        known = (option.name for option in spec.options)
        yield "wrong-call", str(ConfigError.unknown_option(spec.name, unknown[0], known))
        return
    try:
        values = _values(spec, given)
    except duckdb.Error as error:
        yield "wrong-call", f"{spec.name}: {str(error).splitlines()[0]}"
        return
    if values is None:
        return
    labels, options = values
    try:
        session.binding.bound(spec.name, labels, options)
    except UnknownModelError as error:
        yield "unknown-model", str(error)
    except ModelError as error:
        yield "model", str(error) if str(error).startswith(spec.name) else f"{spec.name}: {error}"
    except InlayError as error:
        yield "wrong-call", str(error)


def _values(spec: FunctionSpec, given: dict[str, str]) -> tuple[Any, dict[str, Any]] | None:
    """Labels and options, of constants; None where the labels are none. Raises what DuckDB says of a constant."""
    constants: dict[str, str] = {}
    for name, text in given.items():
        try:
            is_known = is_constant_text(text)
        except Unplannable:
            is_known = False
        if is_known:
            constants[name] = text
        elif name == spec.setting:
            return None
    if not constants:
        return None, {}
    columns = ", ".join(f'({text}) AS "{name}"' for name, text in constants.items())
    with duckdb.connect() as plain:
        row = plain.sql(f"SELECT {columns}").to_arrow_table().to_pylist()[0]
    labels = row.pop(spec.setting, None) if spec.setting else None
    options = named_options(spec, row)
    if isinstance(options.get("examples"), str):  # a relation, whose labels are not known here
        return None
    return labels, options
