"""The call that the sides of a UNION ALL make in one column, around the whole, where something drops rows there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from inlay.functions.spec import text_alone
from inlay.parsing.blocks import Block, all_united, block_at
from inlay.parsing.edits import Around, Edit
from inlay.parsing.marks import unmarked
from inlay.parsing.quoting import quoted
from inlay.parsing.reading import calls_in
from inlay.parsing.statement import Statement
from inlay.parsing.tokens import Word
from inlay.planner.reads import is_read_by, reader_of
from inlay.planner.rules.calls_above_joins import reduces
from inlay.planner.rules.moving import Moved, movable, over_arguments, own_end


def calls_above_unions(statement: Statement) -> tuple[Statement, str] | None:
    """DuckDB computes the columns of each side before it puts them together, sorts and cuts. So the sides give what
    their calls are made from; where a join or LIMIT is around the whole, the rules after this one go on from there."""
    done = 0
    while (changed := _one(statement)) is not None:
        statement = changed
        done += 1
    return (statement, f"calls of {done} UNION{'s' * (done > 1)} made around all sides") if done else None


@dataclass(frozen=True)
class _Side:
    """A SELECT of a UNION, in the tree and in the text."""

    select: exp.Select
    block: Block


@dataclass
class _Column:
    """A column with the same call in some of the sides. made: the call over names for what it is told; told: these
    texts by side, None where it makes no call and has a value of its own."""

    place: int
    made: str = ""
    said: str = ""
    told: list[list[str] | None] = field(default_factory=list)
    calls: Moved = field(default_factory=Moved)

    @property
    def names(self) -> list[str]:
        return _names(self.place, max(len(texts or []) for texts in self.told))

    @property
    def flag(self) -> str | None:
        """The name of the column that says whether a side makes the call; None where all do."""
        return f"_inlay_s{self.place}" if None in self.told else None

    def outside(self, name: str) -> str:
        flag = self.flag
        return self.made if flag is None else f"CASE WHEN {flag} THEN {self.made} ELSE {name} END"

    def inside(self, side: int) -> str:
        """What a side gives for it beside its own columns."""
        texts = self.told[side]
        if texts is None:
            given = [f"NULL::VARCHAR AS {name}" for name in self.names]
        else:
            # A call is told texts: sides of other types would become one type, and might say something else in it.
            given = [f"{text_alone(text)} AS {name}" for text, name in zip(texts, self.names, strict=True)]
        if self.flag is not None:
            given.append(f"{'FALSE' if texts is None else 'TRUE'} AS {self.flag}")
        return "".join(f", {part}" for part in given)


def _names(place: int, n: int) -> list[str]:
    return [f"_inlay_x{place}_{i}" for i in range(n)]


def _one(statement: Statement) -> Statement | None:
    for union in statement.tree.find_all(exp.Union):
        if isinstance(union.parent, exp.SetOperation) or not calls_in(union) or not _drops(union, statement):
            continue
        sides = _sides(statement, union)
        changed = None if sides is None else _around(statement, union, sides)
        if changed is not None:
            return changed
    return None


def _drops(union: exp.Union, statement: Statement) -> bool:
    """Whether rows go after all sides have been put together."""
    read = reader_of(union, statement)
    return bool(union.args.get("limit")) or (read is not None and (bool(read[0].args.get("limit")) or reduces(read[0])))


def _sides(statement: Statement, union: exp.Union) -> list[_Side] | None:
    """The sides in order, where each is a SELECT without brackets."""
    selects = []
    for side in _united(union, union):
        if not isinstance(side, exp.Select) or side.args.get("distinct"):
            return None
        selects.append(side)
    calling = next((calls_in(select)[0] for select in selects if calls_in(select)), None)
    block = None if calling is None else block_at(statement.text, statement.place(calling))
    blocks = [] if block is None else all_united(statement.text, block)
    if len(blocks) != len(selects):
        return None
    sides = [_Side(select, block) for select, block in zip(selects, blocks, strict=True)]
    return sides if all(len(side.block.columns) == len(side.select.expressions) for side in sides) else None


def _united(side: exp.Expr, whole: exp.Union) -> Iterator[exp.Expr]:
    """The sides of UNION ALL; what is another set operation, or sorts and cuts by itself, is a side of its own."""
    others = ("distinct", "by_name") if side is whole else ("distinct", "by_name", "limit", "order", "offset", "with_")
    if isinstance(side, exp.Union) and not any(side.args.get(name) for name in others):
        yield from _united(side.left, whole)
        yield from _united(side.right, whole)
    else:
        yield side


def _around(statement: Statement, union: exp.Union, sides: list[_Side]) -> Statement | None:
    movables = [{id(item) for item in movable(side.select)} for side in sides]
    moves = [[id(item) in ids for item in side.select.expressions] for side, ids in zip(sides, movables, strict=True)]
    first, words = sides[0].select.expressions, statement.words
    columns = _columns(statement, union, sides, moves)
    if not columns:
        return None
    edits = [edit for number, side in enumerate(sides) for edit in _edits(words, number, side, moves[number], columns)]
    begin, finish = words[sides[0].block.span[0]].start, words[sides[-1].block.span[1] - 1].end
    around = Around(union, begin, finish, _head(first, columns), ") AS _inlay_union")
    calls = {number: call for column in columns for number, call in column.calls.calls.items()}
    names = {number: name for column in columns for number, name in column.calls.names.items()}
    return statement.edited(edits, calls, names, [around])


def _columns(
    statement: Statement, union: exp.Union, sides: list[_Side], moves: list[list[bool]]
) -> list[_Column] | None:
    """The columns whose calls go around the whole; None where one of them has to stay."""
    first = sides[0].select.expressions
    stars = [[bool(item.find(exp.Star, exp.Columns)) for item in side.select.expressions] for side in sides]
    # Columns are told by their places: with more than one star they may stand at others.
    if any(each != stars[0] for each in stars) or sum(stars[0]) > 1:
        return None
    columns: list[_Column] = []
    for place, item in enumerate(first):
        if any(each[place] for each in moves):
            found = _column(statement, sides, place, moves) if _name(item) else None
            if found is None:
                return None
            columns.append(found)
    order, moved = union.args.get("order"), {column.place: _name(first[column.place]) for column in columns}
    is_sorted_by = order is not None and (calls_in(order) or is_read_by(order, moved, any(stars[0])))
    return None if is_sorted_by else columns


def _edits(words: list[Word], number: int, side: _Side, moves: list[bool], columns: list[_Column]) -> Iterator[Edit]:
    """Of one side: NULL in the place of each column that moves, and behind the last what its call is told."""
    spans, items = side.block.columns, side.select.expressions
    exported = "".join(column.inside(number) for column in columns)
    last = len(items) - 1
    for place in (column.place for column in columns if moves[column.place]):
        start, end = spans[place]
        new = f"NULL AS {quoted(items[place].alias)}{exported if place == last else ''}"
        yield Edit(words[start].start, words[end - 1].end, new, items[place], "columns")
    if not moves[last]:
        end = words[spans[-1][1] - 1].end
        yield Edit(end, end, exported, items[-1], "more columns")


def _column(statement: Statement, sides: list[_Side], place: int, moves: list[list[bool]]) -> _Column | None:
    """None where the sides do not make the same call, or one that stays where it is."""
    return _with_same_call(statement, sides, place, moves, ()) or _with_same_call(
        statement, sides, place, moves, (exp.Literal,)
    )


def _with_same_call(
    statement: Statement,
    sides: list[_Side],
    place: int,
    moves: list[list[bool]],
    varying: tuple[type[exp.Expr], ...],
) -> _Column | None:
    """varying: what differs from side to side, though it is the same for each row of one."""
    found = _Column(place)
    for number, side in enumerate(sides):
        item = side.select.expressions[place]
        if not moves[number][place]:
            if calls_in(item):
                return None
            found.told.append(None)
            continue
        span = side.block.columns[place]
        texts: list[str] = []

        def name_of(text: str, texts: list[str] = texts) -> str:
            texts.append(text)
            return _names(place, len(texts))[-1]

        start = statement.words[span[0]].start
        end = own_end(statement, item, start)
        calls = Moved()
        made = None if end is None else over_arguments(statement, item.this, (start, end), name_of, calls, varying)
        if made is None or not texts:
            return None
        said = unmarked(made, statement.names)
        if not found.made:
            found.made, found.said, found.calls = made, said, calls
        elif said != found.said:
            return None
        found.told.append(texts)
    return found


def _head(items: Sequence[exp.Expr], columns: Sequence[_Column]) -> str:
    """The SELECT around the union: its columns by name where all have one, or else a star."""
    names = [_name(item) for item in items]
    made = {column.place: f"{column.outside(quoted(names[column.place]))}" for column in columns}
    hidden = [name for column in columns for name in (*column.names, *([column.flag] if column.flag else []))]
    if all(names) and len({name.lower() for name in names}) == len(names):
        listed = (f"{made.get(i, quoted(name))}{f' AS {quoted(name)}' * (i in made)}" for i, name in enumerate(names))
        return f"SELECT {', '.join(listed)} FROM ("
    replaced = (f"{text} AS {quoted(names[place])}" for place, text in made.items())
    return f"SELECT * EXCLUDE ({', '.join(hidden)}) REPLACE ({', '.join(replaced)}) FROM ("


def _name(item: exp.Expr) -> str:
    """'' where DuckDB makes the name, or the item is several columns."""
    return item.alias_or_name if isinstance(item, exp.Alias | exp.Column) and not item.find(exp.Star) else ""
