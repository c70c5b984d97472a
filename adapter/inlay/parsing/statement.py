"""A statement as the planner sees it: the person's text, position by position, and sqlglot's reading of it.

Each call's name is replaced by a mark of the same length, so that positions in the marked text are positions in the
person's text, and so that sqlglot reads every call as a plain function (it has rules of its own for some of the names).
sqlglot's reading decides what may be done; it never becomes the text that is run in the person's place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from inlay.functions.spec import FunctionSpec
from inlay.parsing.tokens import Word, closing, spliced, split, words

MARK, GATHERING = "ⱡ", "ⱥ"
"""What the name of a call becomes, and that of a call that gathers the rows of a group."""

_MARKED = re.compile(f"[{MARK}{GATHERING}]([0-9a-v]+)")
_DIGITS = "0123456789abcdefghijklmnopqrstuv"


class Unplannable(Exception):
    """Why a statement, or a call, runs on the plain path. The text is for `explain`."""


@dataclass(frozen=True)
class Call:
    """One call as it is written. written: its name with its schema. detail: it is the try_ twin.

    arguments: text of each positional argument. options: text of each named one. With what is written for its row
    values left out, two equal calls ask the same thing (`asks`). gathers: it is an aggregate, a macro that hands its
    function a list of a group's values; written as system.main.ai_agg(…) the function is given that list itself.
    varies: places of arguments that differ from row to row where a rule has put the call, though they are written as
    constants.
    """

    number: int
    written: str
    spec: FunctionSpec
    detail: bool
    arguments: tuple[str, ...]
    options: Mapping[str, str]
    gathers: bool = False
    varies: frozenset[int] = frozenset()

    @property
    def texts(self) -> tuple[str, ...]:
        """The row values: what is no setting and no option."""
        return tuple(a for a, takes in zip(self.arguments, self.spec.args, strict=False) if not takes.is_setting)

    @property
    def settings(self) -> dict[str, str]:
        """Settings and options by name; options may also be written by position."""
        names = [argument.name for argument in self.spec.args] + [option.name for option in self.spec.options]
        if len(self.arguments) > len(names):
            raise Unplannable(f"{self.written} has more arguments than it takes")
        given = dict(zip(names, self.arguments, strict=False))
        texts = {argument.name for argument in self.spec.args if not argument.is_setting}
        return {name: text for name, text in given.items() if name not in texts} | dict(self.options)


@dataclass
class Statement:
    """text: marked. calls: by number. Raises Unplannable where the text cannot be read; `tree` is sqlglot's reading."""

    text: str
    calls: Mapping[int, Call]
    names: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def read(cls, sql: str, specs: Mapping[str, tuple[FunctionSpec, bool]]) -> Statement:
        """specs: lower-case name → (definition, whether it is the try_ twin)."""
        if found := {MARK, GATHERING} & set(sql):
            raise Unplannable(f"it contains {found.pop()!r}, which the planner marks calls with")
        tokens = words(sql)
        names: dict[int, str] = {}
        pieces = []
        kinds: dict[int, tuple[FunctionSpec, bool]] = {}
        for i, word in enumerate(tokens[:-1]):
            kind = specs.get(word.text.strip('"').lower())
            if kind is None or tokens[i + 1].text != "(":
                continue
            begin = i
            while begin >= 2 and tokens[begin - 1].text == ".":
                begin -= 2
            number = len(names)
            start, end = tokens[begin].start, word.end
            names[number] = sql[start:end]
            mark = _mark(number, end - start, _gathers(kind[0], names[number]))
            kinds[number] = kind
            pieces.append((start, end, mark))
        made = cls(spliced(sql, pieces), {}, names)
        made.words = _marked(tokens, pieces)
        made.calls = {number: made._call(number, *kinds[number]) for number in names}
        return made

    def _call(self, number: int, spec: FunctionSpec, detail: bool) -> Call:
        i = self.place(number)
        inside = self.words[i + 2 : closing(self.words, i + 1)]
        arguments: list[str] = []
        options: dict[str, str] = {}
        for first, last in split(inside):
            part = inside[first:last]
            if not part:
                raise Unplannable(f"{self.names[number]} has an empty argument")
            if len(part) > 2 and part[1].text in (":=", "=>"):
                options[part[0].text.strip('"').lower()] = self.text[part[2].start : part[-1].end]
            else:
                arguments.append(self.text[part[0].start : part[-1].end])
        written = self.names[number]
        return Call(number, written, spec, detail, tuple(arguments), options, _gathers(spec, written))

    def with_text(self, text: str, moved: Mapping[int, tuple[str, Call]] | None = None) -> Statement:
        """The same calls in another text, which a rule made by moving parts of this one. moved: (name, call) of those
        that another function answers there."""
        moved = moved or {}
        calls = {**self.calls, **{number: call for number, (_, call) in moved.items()}}
        names = {**self.names, **{number: name for number, (name, _) in moved.items()}}
        return Statement(text, calls, names)

    def mark(self, number: int) -> str:
        """The name that stands for a call in the text."""
        return _mark(number, len(self.names[number]), self.calls[number].gathers)

    @cached_property
    def words(self) -> list[Word]:
        return words(self.text)

    @cached_property
    def tree(self) -> exp.Expr:
        return parsed(self.text)

    def node(self, number: int) -> exp.Expr:
        """A call in the tree."""
        found = self._nodes.get(number)
        if found is None:
            raise Unplannable("sqlglot reads the call as something else")
        return found

    def place(self, number: int) -> int:
        """Which word names a call."""
        return self._places[number]

    @cached_property
    def _nodes(self) -> dict[int, exp.Expr]:
        return _calls(self.tree)

    @cached_property
    def _places(self) -> dict[int, int]:
        # The first: a rule may write a call twice.
        found: dict[int, int] = {}
        for i, word in enumerate(self.words):
            if word.text[0] in (MARK, GATHERING) and (number := number_of(word.text)) is not None:
                found.setdefault(number, i)
        return found

    @property
    def plain(self) -> str:
        """The text with the calls' own names again: SQL that DuckDB can run."""
        return unmarked(self.text, self.names)


def _marked(tokens: list[Word], pieces: list[tuple[int, int, str]]) -> list[Word]:
    """The tokens of the marked text: a name and its schema are one."""
    marks = {start: Word(start, end, mark) for start, end, mark in pieces}
    inside = [(start, end) for start, end, _ in pieces]
    found, k = [], 0
    for token in tokens:
        while k < len(inside) and inside[k][1] <= token.start:
            k += 1
        if token.start in marks:
            found.append(marks[token.start])
        elif k == len(inside) or token.start < inside[k][0]:
            found.append(token)
    return found


def unmarked(text: str, names: Mapping[int, str]) -> str:
    return _MARKED.sub(lambda found: names[int(found[1], 32)], text)


def number_of(name: str) -> int | None:
    """The number of the call that a name marks."""
    found = _MARKED.fullmatch(name)
    return int(found[1], 32) if found else None


def _gathers(spec: FunctionSpec, written: str) -> bool:
    return spec.kind == "aggregate" and not written.lower().startswith("system.")


def mark_of(number: int, name: str) -> str:
    """What stands in the text for a call of this name that gathers nothing."""
    return _mark(number, len(name), False)


def _mark(number: int, length: int, gathers: bool) -> str:
    digits = ""
    n = number
    while True:
        digits = _DIGITS[n % 32] + digits
        n //= 32
        if not n:
            break
    if len(digits) + 1 > length:
        raise Unplannable("a function's name is too short to be marked")
    return (GATHERING if gathers else MARK) + digits.rjust(length - 1, "0")


def parsed(text: str) -> exp.Expr:
    """sqlglot's reading of one statement or expression."""
    try:
        found = sqlglot.parse_one(text, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        first = str(error).split("\n")[0]
        raise Unplannable(f"sqlglot does not read it: {first}") from None
    if isinstance(found, exp.Command):
        raise Unplannable("sqlglot does not read statements of this kind")
    return _with_aggregates(found) if GATHERING in text else found


def _with_aggregates(tree: exp.Expr) -> exp.Expr:
    """The tree with an aggregate function for each call that gathers rows: no plain one may stand in its place."""
    for node in [node for node in tree.find_all(exp.Anonymous) if node.name.startswith(GATHERING)]:
        found = exp.AnonymousAggFunc(this=node.name, expressions=node.expressions)
        if node is tree:
            return found
        node.replace(found)
    return tree


def written(tree: exp.Expr) -> str:
    """SQL of a tree, for queries of the planner's own."""
    return tree.sql(dialect="duckdb", normalize_functions=False, comments=False)


def call_at(node: exp.Expr) -> int | None:
    """The number of the call that a node is."""
    return number_of(node.name) if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) else None


def _calls(tree: exp.Expr) -> dict[int, exp.Expr]:
    found: dict[int, exp.Expr] = {}
    for node in tree.find_all(exp.Anonymous, exp.AnonymousAggFunc):
        number = call_at(node)
        if number is not None:
            found.setdefault(number, node)
    return found


def node_of(tree: exp.Expr, number: int) -> exp.Expr:
    """A call in a copy of a statement's tree, or in a part of one."""
    found = _calls(tree).get(number)
    if found is None:
        raise Unplannable("sqlglot reads the call as something else")
    return found


def calls_in(tree: exp.Expr) -> list[int]:
    """Numbers of the calls inside, in no order."""
    nodes = tree.find_all(exp.Anonymous, exp.AnonymousAggFunc)
    return [number for node in nodes if (number := call_at(node)) is not None]


Replace = Callable[[int, list[str]], str]


def replaced(text: str, replace: Replace) -> str:
    """The marked text with each call, inner ones first, as `replace(number, arguments)` says."""
    tokens = words(text)
    pieces = []
    i = 0
    while i < len(tokens):
        number = number_of(tokens[i].text)
        if number is None or i + 1 >= len(tokens) or tokens[i + 1].text != "(":
            i += 1
            continue
        close = closing(tokens, i + 1)
        inside = tokens[i + 2 : close]
        arguments = [
            replaced(text[inside[first].start : inside[last - 1].end], replace)
            for first, last in split(inside)
            if last > first
        ]
        pieces.append((tokens[i].start, tokens[close].end, replace(number, arguments)))
        i = close + 1
    return spliced(text, pieces)
