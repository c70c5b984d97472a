"""`a JOIN b ON ai_similarity(a.x, b.y) > 0.7`: a join whose condition is a call over one value of each side.

The pairs that fulfil it are found ahead, from the distinct values of each side, and b becomes a subquery with a column
more: for each of its rows, the values of a.x that it belongs to. The condition becomes an equality with that column,
which DuckDB joins by hash, in any kind of join that keeps or drops rows of the left side. Values that were not there
when the pairs were found are met by the call itself, in the same subquery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlglot import exp

from inlay.parsing.blocks import Block, Span, block_at
from inlay.parsing.edits import Edit
from inlay.parsing.marks import number_of, replaced
from inlay.parsing.reading import calls_in, node_of, parsed
from inlay.parsing.statement import Statement
from inlay.parsing.tokens import Word, closing
from inlay.parsing.unplannable import Unplannable
from inlay.planner.evaluation import is_constant, is_volatile, may_raise
from inlay.planner.excerpt import excerpt
from inlay.planner.gather import KEY
from inlay.planner.known import Known, block_of, with_ctes

VALUE = "_inlay_k"
"""The one column of the tables of distinct values."""

_JOIN_WORDS = {
    "natural", "asof", "positional", "inner", "left", "right", "full", "outer", "cross", "semi", "anti", "join",
}  # fmt: skip
_OPEN, _CLOSE = "([{", ")]}"
_COMPARES = {exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}

Binds = Callable[[str], bool]


@dataclass(frozen=True)
class _Relation:
    """One item of FROM. kind: how it is joined to those before it, 'other' for what this file does not know."""

    kind: str
    span: Span
    condition: Span | None
    using: bool


@dataclass(frozen=True)
class JoinByCall:
    """left: FROM up to the relation, or the one relation there that the value comes from. relation, alias: what it is
    joined to. kind: inner, left, semi or anti. values: the left side's and the right side's row value. swapped: the
    right side's stands first in the call. compared: (operator, text of the bound); None where the call is the whole
    condition. crossing: other conditions over both sides, None where some of them cannot be written (USING); equal: one
    of them is an equality."""

    statement: Statement
    number: int
    left: str
    relation: str
    alias: str
    kind: str
    values: tuple[str, str]
    swapped: bool
    compared: tuple[str, str] | None
    left_conditions: tuple[str, ...]
    right_conditions: tuple[str, ...]
    crossing: tuple[str, ...] | None
    equal: bool
    condition: Span
    place: Span
    stars: tuple[Span, ...]
    alone: tuple[str, tuple[str, ...]] | None

    def from_one_relation(self) -> JoinByCall:
        """The same with the left side's values out of the one relation that they belong to, where that can be told:
        more values, but no cross product of what the other conditions would join."""
        if self.alone is None:
            return self
        return replace(self, left=self.alone[0], left_conditions=self.alone[1])

    def values_of(self, side: int) -> str:
        """Marked SELECT of the distinct values of a side, NULL left out, without its CTEs."""
        value = self.values[side]
        source = self.left if side == 0 else self.relation
        conditions = self.left_conditions if side == 0 else self.right_conditions
        where = " AND ".join([f"({value}) IS NOT NULL", *(f"({condition})" for condition in conditions)])
        return f'SELECT DISTINCT ({value}) COLLATE "C" AS {VALUE} FROM {source} WHERE {where}'

    def rows(self) -> str:
        """Marked SELECT of how many pairs of rows the other conditions leave; without its CTEs."""
        conditions = [*self.left_conditions, *self.right_conditions, *(self.crossing or ())]
        where = " AND ".join(f"({condition})" for condition in conditions) or "TRUE"
        return f"SELECT count(*) FROM {self.left}, {self.relation} WHERE {where}"

    def with_ctes(self, text: str) -> str:
        return with_ctes(excerpt(self.statement, self.number).select, text)

    def joined(self, pairs: str, lefts: str, rights: str) -> Statement:
        """The statement over tables of pairs (columns _inlay_k0 and _inlay_k1, in the order of the call) and of the
        values of each side."""
        statement, words = self.statement, self.statement.words
        hidden = f"_inlay_j{self.number}"
        left, right = self.values
        of_left, of_right = (f"{pairs}.{KEY}{int(self.swapped)}", f"{pairs}.{KEY}{int(not self.swapped)}")
        known = (
            f"SELECT {self.alias}.*, {of_left} AS {hidden} FROM {self.relation} "
            f'JOIN {pairs} ON {of_right} = ({right}) COLLATE "C"'
        )
        # What is not in the tables: nothing, unless rows changed meanwhile.
        new_left = (
            f"SELECT {self.alias}.*, _inlay_u.{VALUE} FROM {self.relation}, (SELECT {VALUE} FROM ({self.values_of(0)}) "
            f"AS _inlay_q WHERE NOT EXISTS (SELECT 1 FROM {lefts} WHERE {lefts}.{VALUE} = _inlay_q.{VALUE})) "
            f"AS _inlay_u WHERE {self._condition(f'_inlay_u.{VALUE}', right)}"
        )
        there = "".join(f" AND ({condition})" for condition in self.right_conditions)
        new_right = (
            f"SELECT {self.alias}.* EXCLUDE (_inlay_y), _inlay_u.{VALUE} FROM (SELECT {self.alias}.*, "
            f'({right}) COLLATE "C" AS _inlay_y FROM {self.relation} WHERE ({right}) IS NOT NULL{there} AND NOT EXISTS '
            f'(SELECT 1 FROM {rights} WHERE {rights}.{VALUE} = ({right}) COLLATE "C")) AS {self.alias}, '
            f"{lefts} AS _inlay_u WHERE {self._condition(f'_inlay_u.{VALUE}', f'{self.alias}._inlay_y')}"
        )
        relation = f"({known} UNION ALL {new_left} UNION ALL {new_right}) AS {self.alias}"
        condition = f'({left}) COLLATE "C" = {self.alias}.{hidden}'
        pieces = [(*_characters(words, self.place), relation), (*_characters(words, self.condition), condition)]
        if self.kind in ("inner", "left"):
            pieces += [(end, end, f" EXCLUDE ({hidden})") for _, end in (_characters(words, s) for s in self.stars)]
        return statement.edited([Edit(*piece) for piece in pieces])

    def _condition(self, left: str, right: str) -> str:
        """The condition of the join over other texts for its two values."""
        first, last = self.condition
        words = self.statement.words
        call = self.statement.calls[self.number]
        given = [*((right, left) if self.swapped else (left, right)), *call.arguments[2:]]

        def write(number: int, arguments: list[str]) -> str:
            if number != self.number:
                return f"{self.statement.mark(number)}({', '.join(arguments)})"
            return f"{self.statement.mark(number)}({', '.join([*given, *arguments[len(given) :]])})"

        return f"({replaced(self.statement.text[words[first].start : words[last - 1].end], write)})"


def join_by_call(statement: Statement, number: int, staged: set[int], binds: Binds) -> JoinByCall:
    """The join whose condition a call is. staged: calls whose answers may be looked up. binds: whether DuckDB binds a
    marked SELECT. Raises Unplannable where the call is not such a condition, or of a shape that is not known."""
    call = statement.calls[number]
    node = node_of(statement.tree, number)
    select, clause = block_of(node)
    if clause not in ("joins", "where") or call.detail or len(call.arguments) < 2:
        raise Unplannable("it is not the condition of a join")
    if [argument.name for argument in call.spec.args[:2]] != [argument.name for argument in call.spec.args]:
        raise Unplannable("it does not compare two values")
    if select.args.get("laterals") or select.args.get("pivots"):
        raise Unplannable("its FROM holds what is not a join")
    words = statement.words
    at = next(i for i, word in enumerate(words) if number_of(word.text) == number)
    block = block_at(statement.text, at)
    if block is None or "from" not in block.clauses:
        raise Unplannable("its FROM cannot be told apart")
    relations = _relations(words, block.clauses["from"])
    joins = select.args.get("joins") or []
    if len(relations) != 1 + len(joins):
        raise Unplannable("its FROM cannot be told apart")
    places = [relation.condition for relation in relations] if clause == "joins" else [block.clauses.get("where")]
    own = next((span for span in places if span is not None and span[0] <= at < span[1]), None)
    if own is None:
        raise Unplannable("it is not the condition of a join")
    trees = [select.args["from_"].this, *(join.this for join in joins)]
    with_ = statement.tree.find_all(exp.With)
    if any(is_volatile(tree) or tree.find(exp.TableSample) for tree in (*trees, *with_)):
        raise Unplannable("it joins what differs from one evaluation to the next")
    parts = list(_conjuncts(words, own))
    mine = next((part for part in parts if part[0] <= at < part[1]), None)
    if mine is None:
        raise Unplannable("it is not the condition of a join")
    compared = _compared(statement, mine, number)
    known = Known(select.copy(), statement, ())
    finder = _Finder(statement, relations, call.arguments[:2], lambda text: binds(known.with_ctes(text)))
    if clause == "joins":
        target = next(i for i, relation in enumerate(relations) if relation.condition == own)
        swapped = finder.sides(target)
        if swapped is None:
            raise Unplannable("its values are not one of each side")
        if relations[target].kind not in ("inner", "left", "semi", "anti"):
            raise Unplannable("joins of this kind run as they are")
    else:
        found = ((i, finder.sides(i)) for i in range(1, len(relations)))
        target, swapped = next(((i, said) for i, said in found if said is not None), (0, None))
        if swapped is None:
            raise Unplannable("its values are not one of each side")
        if relations[target].kind != "inner" or any(
            relation.kind not in ("inner", "left", "semi", "anti") for relation in relations[target + 1 :]
        ):
            raise Unplannable("joins of this kind run as they are")
    alias = trees[target].alias_or_name
    if not alias or _mentions(select, alias):
        raise Unplannable("its relation is read as a whole")
    quoted = exp.to_identifier(alias, quoted=True).sql("duckdb")
    kind = relations[target].kind
    left_values, right_values = (call.arguments[1], call.arguments[0]) if swapped else call.arguments[:2]
    others = _other_conditions(statement, block, relations, target, mine)
    stays = [(text, outer) for text, outer in others if _is_harmless(text, staged)]
    alone = finder.alone(target, left_values)
    crossing: list[str] | None = []
    equal = relations[target].using
    left_conditions, right_conditions, alone_conditions = [], [], []
    for text, outer in others:
        if finder.binds(f"SELECT 1 FROM {finder.left(target)} WHERE {text}"):
            if (text, outer) in stays:
                left_conditions.append(text)
                if alone is not None and finder.binds(f"SELECT 1 FROM {alone} WHERE {text}"):
                    alone_conditions.append(text)
        elif finder.binds(f"SELECT 1 FROM {finder.text(target)} WHERE {text}"):
            # A row that an outer join adds is not the right side's to drop.
            if (text, outer) in stays and not (outer and kind == "left"):
                right_conditions.append(text)
        else:
            equal = equal or parsed(text).find(exp.EQ) is not None
            if crossing is not None and (text, outer) in stays:
                crossing.append(text)
    if relations[target].using:
        crossing = None
    return JoinByCall(
        statement, number, finder.left(target), finder.text(target), quoted, kind, (left_values, right_values), swapped,
        compared, tuple(left_conditions), tuple(right_conditions), None if crossing is None else tuple(crossing), equal,
        mine, relations[target].span, tuple(_stars(block, select, alias)),
        None if alone is None else (alone, tuple(alone_conditions)),
    )  # fmt: skip


def calls_before(statement: Statement, number: int) -> list[int]:
    """The calls that make what a join joins: in its relations and in CTEs."""
    node = node_of(statement.tree, number)
    select, _ = block_of(node)
    trees = [select.args["from_"], *(join.this for join in select.args.get("joins") or [])]
    trees += list(statement.tree.find_all(exp.CTE))
    return sorted({other for tree in trees for other in calls_in(tree)} - set(calls_in(node)))


@dataclass(frozen=True)
class _Finder:
    """Tells by what DuckDB binds which side a value belongs to."""

    statement: Statement
    relations: list[_Relation]
    values: tuple[str, ...]
    binds: Binds

    def text(self, i: int) -> str:
        start, end = _characters(self.statement.words, self.relations[i].span)
        return self.statement.text[start:end]

    def left(self, target: int) -> str:
        """FROM up to a relation."""
        words = self.statement.words
        last = self.relations[target - 1]
        end = (last.condition or last.span)[1]
        if last.using:
            end = closing(words, last.span[1] + 1) + 1
        return self.statement.text[words[self.relations[0].span[0]].start : words[end - 1].end]

    def alone(self, target: int, value: str) -> str | None:
        """The one relation before another that a value is made from."""
        if target == 1:
            return None
        found = [text for i in range(target) if self._is_of(value, text := self.text(i))]
        return found[0] if len(found) == 1 else None

    def sides(self, target: int) -> bool | None:
        """Whether the first value is the relation's and the second of those before it; None where neither order is."""
        here, before = self.text(target), self.left(target)
        for swapped, (left, right) in ((False, self.values), (True, self.values[::-1])):
            if self._is_of(left, before) and self._is_of(right, here):
                return None if self._is_of(left, here) or self._is_of(right, before) else swapped
        return None

    def _is_of(self, value: str, source: str) -> bool:
        return self.binds(f'SELECT ({value}) COLLATE "C" FROM {source}')


def _characters(words: list[Word], span: Span) -> tuple[int, int]:
    return words[span[0]].start, words[span[1] - 1].end


def _relations(words: list[Word], span: Span) -> list[_Relation]:
    """The items of a FROM."""
    found: list[_Relation] = []
    kind, start = "from", span[0]
    end: int | None = None
    condition: int | None = None
    using = False

    def close(i: int) -> None:
        last = i if end is None else end
        if last <= start:
            raise Unplannable("its FROM cannot be told apart")
        found.append(_Relation(kind, (start, last), None if condition is None else (condition, i), using))

    i = span[0]
    while i < span[1]:
        word = words[i].lower
        if word in _OPEN:
            i = closing(words, i) + 1
            continue
        after = i
        while after < span[1] and words[after].lower in _JOIN_WORDS:
            after += 1
        if word == "," or (after > i and words[after - 1].lower == "join"):
            close(i)
            after = i + 1 if word == "," else after
            kind, start, end, condition, using = (
                _kind({words[k].lower for k in range(i, after)}),
                after,
                None,
                None,
                False,
            )
            i = after
            continue
        if end is None and word in ("on", "using"):
            end = i
            condition, using = (i + 1, False) if word == "on" else (None, True)
        i += 1
    close(span[1])
    return found


def _kind(words: set[str]) -> str:
    bare = words - {"join", "inner", "outer", "cross", ","}
    return "inner" if not bare else next(iter(bare)) if bare in ({"left"}, {"semi"}, {"anti"}) else "other"


def _conjuncts(words: list[Word], span: Span) -> Iterator[Span]:
    """What AND joins, brackets around the whole opened."""
    first, last = span
    if words[first].text == "(" and closing(words, first) == last - 1:
        yield from _conjuncts(words, (first + 1, last - 1))
        return
    cuts, depth, cases, betweens = [first - 1], 0, 0, 0
    for i in range(first, last):
        word = words[i].lower
        depth += (word in _OPEN) - (word in _CLOSE)
        cases += (word == "case") - (word == "end")
        if depth or cases:
            continue
        if word == "or":
            yield span
            return
        if word == "between":
            betweens += 1
        elif word == "and":
            if betweens:
                betweens -= 1
            else:
                cuts.append(i)
    if len(cuts) == 1:
        yield span
        return
    for left, right in zip(cuts, [*cuts[1:], last], strict=True):
        yield from _conjuncts(words, (left + 1, right))


def _compared(statement: Statement, span: Span, number: int) -> tuple[str, str] | None:
    """How the call is compared, as if it stood on the left: None where it is the condition itself."""
    start, end = _characters(statement.words, span)
    tree = parsed(statement.text[start:end]).unnest()
    if isinstance(tree, exp.Anonymous) and number_of(tree.name) == number:
        if statement.calls[number].spec.returns != "BOOLEAN":
            raise Unplannable("its answer is no condition")
        return None
    operator = next((said for kind, said in _COMPARES.items() if type(tree) is kind), None)
    if operator is None or not isinstance(tree, exp.Binary):
        raise Unplannable("its answer is not compared with a constant")
    left, right = tree.left.unnest(), tree.right.unnest()
    for side, other, said in ((left, right, operator), (right, left, _TURNED[operator])):
        if isinstance(side, exp.Anonymous) and number_of(side.name) == number:
            if not is_constant(other) or is_volatile(other) or calls_in(other):
                raise Unplannable("its answer is not compared with a constant")
            return said, _bound_text(statement, span)
    raise Unplannable("its answer is not compared with a constant")


def _bound_text(statement: Statement, span: Span) -> str:
    """What stands on the other side of the comparison."""
    words = statement.words
    first, last = span
    depth = 0
    for i in range(first, last):
        depth += (words[i].text in _OPEN) - (words[i].text in _CLOSE)
        if depth == 0 and words[i].text in (">", ">=", "<", "<="):
            sides = [(first, i), (i + 1, last)]
            other = [s for s in sides if all(number_of(words[k].text) is None for k in range(*s))]
            if len(other) == 1 and other[0][0] < other[0][1]:
                start, end = _characters(words, other[0])
                return statement.text[start:end]
    raise Unplannable("its comparison cannot be told apart")


def _other_conditions(
    statement: Statement, block: Block, relations: list[_Relation], target: int, mine: Span
) -> list[tuple[str, bool]]:
    """(text, whether it stands outside of the join's own ON) of what else holds for the rows of the join."""
    words = statement.words
    found = []
    where = block.clauses.get("where")
    if any(relation.kind == "other" for relation in relations[target + 1 :]):
        where = None  # a row that a condition would drop may decide what such a join adds
    for span, outer in ((relations[target].condition, False), (where, True)):
        if span is not None:
            for part in _conjuncts(words, span):
                if part != mine:
                    start, end = _characters(words, part)
                    found.append((statement.text[start:end], outer))
    return found


def _is_harmless(text: str, staged: set[int]) -> bool:
    """Whether a condition may be asked alone."""
    try:
        tree = parsed(text)
    except Unplannable:
        return False
    return not may_raise(tree) and not is_volatile(tree) and set(calls_in(tree)) <= staged


def _mentions(select: exp.Select, alias: str) -> bool:
    """Whether a relation's rows are read as a whole, and a column more would be seen."""
    lower = alias.lower()
    return any(
        isinstance(node, exp.Columns)
        or (isinstance(node, exp.Column) and not node.table and node.name.lower() == lower)
        for node in select.walk()
    )


def _stars(block: Block, select: exp.Select, alias: str) -> Iterator[Span]:
    """The stars in the SELECT list that would show a column more of the relation."""
    if "select" not in block.clauses:
        raise Unplannable("it has no SELECT list")
    if len(block.columns) != len(select.expressions):
        raise Unplannable("its columns cannot be told apart")
    for span, item in zip(block.columns, select.expressions, strict=True):
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            text = "".join(word.text for word in block.words[span[0] : span[1]])
            if text == "*":
                yield span
            elif text.endswith(".*"):
                if text[:-2].split(".")[-1].strip('"').lower() == alias.lower():
                    yield span
            else:
                raise Unplannable("its star is changed already")
        elif any(not isinstance(star.parent, exp.Count) for star in item.find_all(exp.Star)):
            raise Unplannable("its star is part of an expression")
