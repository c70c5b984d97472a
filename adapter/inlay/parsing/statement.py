"""A statement as the planner sees it: the user's text, position by position, and sqlglot's reading of it.

Each call's name is replaced by a mark of the same length (marks.py). sqlglot's reading decides what may be done; it
never becomes the text that is run in the user's place.

Text, words and tree are made once and handed on: a rule gives a new statement, made of the old one by edits of its
text, and the tree goes along with it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from sqlglot import exp

from inlay.functions.spec import FunctionSpec
from inlay.parsing.edits import Around, Edit, Moves, changes
from inlay.parsing.index import Index
from inlay.parsing.marks import GATHERING, MARK, mark, marks_in, unmarked
from inlay.parsing.reading import parsed
from inlay.parsing.tokens import Text, Word, closing, spliced, split, words
from inlay.parsing.twins import OF_LIST
from inlay.parsing.unplannable import READ_OTHERWISE, Unplannable, empty_argument, holds_mark, too_many_arguments

Specs = Mapping[str, tuple[FunctionSpec, bool]]
"""Lower-case SQL name → (definition, whether it is the try_ twin)."""


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
            raise Unplannable(too_many_arguments(self.written))
        given = dict(zip(names, self.arguments, strict=False))
        texts = {argument.name for argument in self.spec.args if not argument.is_setting}
        return {name: text for name, text in given.items() if name not in texts} | dict(self.options)


@dataclass(frozen=True, eq=False)
class Statement:
    """text: marked. calls: by number. names: of every call that was ever in it, as they are written.

    moves: how the text has been changed since its tree was read. Raises Unplannable where the text cannot be read;
    `tree` is sqlglot's reading.
    """

    text: Text
    calls: Mapping[int, Call]
    names: Mapping[int, str]
    moves: tuple[Moves, ...] = field(default=(), repr=False)

    @classmethod
    def read(cls, sql: str, specs: Specs, first: int = 0) -> Statement:
        """first: the number of the first call."""
        if found := {MARK, GATHERING} & set(sql):
            raise Unplannable(holds_mark(found.pop()))
        tokens = words(sql)
        names: dict[int, str] = {}
        pieces = []
        kinds: dict[int, tuple[FunctionSpec, bool]] = {}
        for i, word in enumerate(tokens[:-1]):
            if tokens[i + 1].text != "(" or (kind := specs.get(word.text.strip('"').lower())) is None:
                continue
            begin = i
            while begin >= 2 and tokens[begin - 1].text == ".":
                begin -= 2
            number = first + len(names)
            start, end = tokens[begin].start, word.end
            names[number] = sql[start:end]
            pieces.append((start, end, mark(number, end - start, _gathers(kind[0], names[number]))))
            kinds[number] = kind
        text = Text.with_words(spliced(sql, pieces), _marked(tokens, pieces))
        unread = cls(text, {}, names)
        return replace(unread, calls={number: unread._call(number, *kinds[number]) for number in names})

    def _call(self, number: int, spec: FunctionSpec, detail: bool) -> Call:
        i = self.place(number)
        inside = self.words[i + 2 : closing(self.words, i + 1)]
        arguments: list[str] = []
        options: dict[str, str] = {}
        for first, last in split(inside):
            part = inside[first:last]
            if not part:
                raise Unplannable(empty_argument(self.names[number]))
            if len(part) > 2 and part[1].text in (":=", "=>"):
                options[part[0].text.strip('"').lower()] = self.text[part[2].start : part[-1].end]
            else:
                arguments.append(self.text[part[0].start : part[-1].end])
        written = self.names[number]
        return Call(number, written, spec, detail, tuple(arguments), options, _gathers(spec, written))

    def edited(
        self,
        edits: Sequence[Edit],
        calls: Mapping[int, Call] | None = None,
        names: Mapping[int, str] | None = None,
        around: Sequence[Around] = (),
    ) -> Statement:
        """The statement with its text changed in places. calls, names: of those that are others there.

        The tree goes along, so that this statement would have to read its own again.
        """
        pieces: list[tuple[int, int, str]] = [(each.start, each.start, each.head) for each in around]
        pieces += [edit[:3] for edit in edits]
        pieces += [(each.end, each.end, each.tail) for each in around]
        pieces.sort(key=lambda piece: piece[:2])
        text = self.text.spliced(pieces)
        there = {number for number, _ in marks_in(text)}
        kept = {number: call for number, call in {**self.calls, **(calls or {})}.items() if number in there}
        moves = (*self.moves, Moves.of(pieces))
        made = Statement(text, kept, {**self.names, **(names or {})}, moves)
        todo = None if "tree" not in self.__dict__ else changes(edits, around, pieces, len(moves))
        if todo is None:
            return replace(made, moves=())
        tree, index = self.__dict__.pop("tree"), self.__dict__.pop("index", None)
        if index is not None:
            index.changed(todo)
            made.__dict__["index"] = index
        for change in todo:
            change.make()
        made.__dict__["tree"] = tree.root()
        return made

    def mark(self, number: int) -> str:
        """The name that stands for a call in the text."""
        return mark(number, len(self.names[number]), self.calls[number].gathers)

    @property
    def words(self) -> list[Word]:
        return self.text.words

    @cached_property
    def tree(self) -> exp.Expr:
        return parsed(self.text)

    @cached_property
    def index(self) -> Index:
        return Index.of(self.tree)

    def node(self, number: int) -> exp.Expr:
        """A call in the tree."""
        found = self.index.call(number)
        if found is None:
            raise Unplannable(READ_OTHERWISE)
        return found

    def place(self, number: int) -> int:
        """Which word names a call."""
        return self._places[number]

    @cached_property
    def _places(self) -> dict[int, int]:
        # The first: a rule may write a call twice.
        found: dict[int, int] = {}
        for number, start in marks_in(self.text):
            found.setdefault(number, bisect_left(self.words, (start,)))
        return found

    def position(self, node: exp.Expr) -> tuple[int, int] | None:
        """Where a name of the tree stands in the text; None where that is not known."""
        meta = node.meta
        if "start" not in meta:
            return None
        start, last = meta["start"], meta["end"]
        for moves in self.moves[meta.get("age", 0) :]:
            start, last = moves(start), moves(last)
        return start, last + 1

    def written(self, number: int) -> str:
        """A call as it is written in the user's statement."""
        call = self.calls[number]
        options = (f"{name} := {text}" for name, text in call.options.items())
        return unmarked(f"{call.written}({', '.join([*call.arguments, *options])})", self.names)

    @property
    def plain(self) -> Text:
        """The text with the calls' own names again: SQL that DuckDB can run."""
        found = [Word(start, end, unmarked(text, self.names)) for start, end, text in self.words]
        return Text.with_words(unmarked(self.text, self.names), found)


def _marked(tokens: list[Word], pieces: list[tuple[int, int, str]]) -> list[Word]:
    """The tokens of the marked text: a name and its schema are one."""
    marks = {start: Word(start, end, text) for start, end, text in pieces}
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


def _gathers(spec: FunctionSpec, written: str) -> bool:
    name = written.lower()
    return spec.kind == "aggregate" and not name.startswith("system.") and OF_LIST not in name
