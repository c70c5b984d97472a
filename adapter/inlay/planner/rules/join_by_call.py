"""`a JOIN b ON ai_similarity(a.x, b.y) > 0.7`: a join whose condition is a call over one value of each side.

The pairs that fulfil it are found ahead, from the distinct values of each side, and DuckDB joins by them: see
pair_join.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from inlay.functions.spec import text_alone
from inlay.parsing.blocks import Block, Span, block_at
from inlay.parsing.marks import number_of
from inlay.parsing.reading import calls_in, parsed
from inlay.parsing.statement import Call, Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.evaluation import is_constant, is_volatile, may_raise
from inlay.planner.excerpt import excerpt
from inlay.planner.from_clause import Relation, characters, conjuncts_in, relations_in
from inlay.planner.known import block_of, with_ctes
from inlay.planner.pair_join import JoinByCall
from inlay.planner.rules.run import Run

_OPEN, _CLOSE = "([{", ")]}"
_COMPARES = {exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
_KINDS = {"inner", "left", "semi", "anti"}

Binds = Callable[[str], bool]


def join_by_call(statement: Statement, number: int, staged: set[int], binds: Binds) -> JoinByCall:
    """The join whose condition a call is. staged: calls whose answers may be looked up. binds: whether DuckDB binds a
    marked SELECT. Raises Unplannable where the call is not such a condition, or of a shape that is not known."""
    call = statement.calls[number]
    place = _place(statement, call)
    compared = _compared(statement, place.mine, number)
    select = excerpt(statement, number).select
    finder = _Finder(statement, place.relations, call.arguments[:2], lambda text: binds(with_ctes(select, text)))
    target, swapped = _target(finder, place)
    alias = place.trees[target].alias_or_name
    if not alias or _mentions(place.select, alias):
        raise Unplannable(reasons.READ_AS_WHOLE)
    left_value, right_value = (call.arguments[1], call.arguments[0]) if swapped else call.arguments[:2]
    conditions = _conditions(finder, place, target, left_value, staged)
    quoted = exp.to_identifier(alias, quoted=True).sql("duckdb")
    return JoinByCall(
        statement, number, finder.left(target), finder.text(target), quoted,
        place.relations[target].kind, (left_value, right_value), swapped, compared,
        tuple(conditions.left), tuple(conditions.right),
        None if conditions.crossing is None else tuple(conditions.crossing), conditions.equal,
        place.mine, place.relations[target].span, tuple(_stars(place.block, place.select, alias)),
        None if conditions.source is None else (conditions.source, tuple(conditions.alone)),
        (place.trees[target], place.condition),
    )  # fmt: skip


@dataclass(frozen=True)
class _Place:
    """A call in a condition. relations, trees: the items of its FROM as text and in the tree. own: the whole condition;
    mine: what of it holds the call; condition: this in the tree."""

    select: exp.Select
    block: Block
    relations: list[Relation]
    trees: list[exp.Expr]
    own: Span
    mine: Span
    in_where: bool
    condition: exp.Expr


def _place(statement: Statement, call: Call) -> _Place:
    node = statement.node(call.number)
    select, clause = block_of(node)
    if clause not in ("joins", "where") or call.detail or len(call.arguments) < 2:
        raise Unplannable(reasons.NO_JOIN_CONDITION)
    if [argument.name for argument in call.spec.args[:2]] != [argument.name for argument in call.spec.args]:
        raise Unplannable(reasons.NOT_TWO_VALUES)
    if select.args.get("laterals") or select.args.get("pivots"):
        raise Unplannable(reasons.FROM_NOT_ONLY_JOINS)
    at = statement.place(call.number)
    block = block_at(statement.text, at)
    joins = select.args.get("joins") or []
    if block is None or "from" not in block.clauses:
        raise Unplannable(reasons.FROM_NOT_FOUND)
    relations = relations_in(statement.text, block.clauses["from"])
    if len(relations) != 1 + len(joins):
        raise Unplannable(reasons.FROM_NOT_FOUND)
    places = [relation.condition for relation in relations] if clause == "joins" else [block.clauses.get("where")]
    own = _around(at, [span for span in places if span is not None])
    trees = [select.args["from_"].this, *(join.this for join in joins)]
    with_ = statement.tree.find_all(exp.With)
    if any(is_volatile(tree) or tree.find(exp.TableSample) for tree in (*trees, *with_)):
        raise Unplannable(reasons.JOINS_VOLATILE)
    mine = _around(at, conjuncts_in(statement.text, own))
    while not isinstance(node.parent, exp.And | exp.Where | exp.Join) and node.parent is not None:
        node = node.parent
    return _Place(select, block, relations, trees, own, mine, clause == "where", node.unnest())


def _around(at: int, spans: Iterable[Span]) -> Span:
    found = next((span for span in spans if span[0] <= at < span[1]), None)
    if found is None:
        raise Unplannable(reasons.NO_JOIN_CONDITION)
    return found


def _target(finder: _Finder, place: _Place) -> tuple[int, bool]:
    """(which relation is joined by the call, whether its value stands first in it)."""
    relations = place.relations
    kinds, later = _KINDS, list[Relation]()
    if place.in_where:
        found = ((i, finder.sides(i)) for i in range(1, len(relations)))
        target, swapped = next(((i, sides) for i, sides in found if sides is not None), (0, None))
        kinds, later = {"inner"}, relations[target + 1 :]
    else:
        target = next(i for i, relation in enumerate(relations) if relation.condition == place.own)
        swapped = finder.sides(target)
    if swapped is None:
        raise Unplannable(reasons.NOT_ONE_VALUE_EACH)
    if relations[target].kind not in kinds or any(relation.kind not in _KINDS for relation in later):
        raise Unplannable(reasons.JOIN_KIND)
    return target, swapped


@dataclass
class _Conditions:
    """What else holds for the rows of the join, by the side that it is of. crossing: of both, None where some of them
    cannot be written; equal: one of these is an equality. source: the one relation that the left value is from; alone:
    the conditions over it."""

    source: str | None
    left: list[str]
    right: list[str]
    alone: list[str]
    crossing: list[str] | None
    equal: bool


def _conditions(finder: _Finder, place: _Place, target: int, left_value: str, staged: set[int]) -> _Conditions:
    relation = place.relations[target]
    found = _Conditions(finder.alone(target, left_value), [], [], [], [], relation.using)
    for text, outer in _other_conditions(finder.statement, place, target):
        stays = _is_harmless(text, staged)
        if finder.binds(f"SELECT 1 FROM {finder.left(target)} WHERE {text}"):
            if stays:
                found.left.append(text)
                if found.source is not None and finder.binds(f"SELECT 1 FROM {found.source} WHERE {text}"):
                    found.alone.append(text)
        elif finder.binds(f"SELECT 1 FROM {finder.text(target)} WHERE {text}"):
            # A row that an outer join adds is not the right side's to drop.
            if stays and not (outer and relation.kind == "left"):
                found.right.append(text)
        else:
            found.equal = found.equal or parsed(text).find(exp.EQ) is not None
            if found.crossing is not None and stays:
                found.crossing.append(text)
    if relation.using:
        found.crossing = None
    return found


def calls_before(statement: Statement, number: int) -> list[int]:
    """The calls that make what a join joins: in its relations and in CTEs."""
    node = statement.node(number)
    select, _ = block_of(node)
    trees = [select.args["from_"], *(join.this for join in select.args.get("joins") or [])]
    trees += list(statement.tree.find_all(exp.CTE))
    return sorted({other for tree in trees for other in calls_in(tree)} - set(calls_in(node)))


@dataclass(frozen=True)
class _Finder:
    """Tells by what DuckDB binds which side a value belongs to."""

    statement: Statement
    relations: list[Relation]
    values: tuple[str, ...]
    binds: Binds

    def text(self, i: int) -> str:
        start, end = characters(self.statement.words, self.relations[i].span)
        return self.statement.text[start:end]

    def left(self, target: int) -> str:
        """FROM up to a relation."""
        words = self.statement.words
        last = self.relations[target - 1]
        end = (last.condition or last.span)[1]
        if last.using:
            end = self.statement.text.brackets.closing[last.span[1] + 1] + 1
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
        return self.binds(f"SELECT {text_alone(value)} FROM {source}")


def _compared(statement: Statement, span: Span, number: int) -> tuple[str, str] | None:
    """How the call is compared, as if it stood on the left: None where it is the condition itself."""
    start, end = characters(statement.words, span)
    tree = parsed(statement.text[start:end]).unnest()
    if isinstance(tree, exp.Anonymous) and number_of(tree.name) == number:
        if statement.calls[number].spec.returns != "BOOLEAN":
            raise Unplannable(reasons.NOT_A_CONDITION)
        return None
    operator = next((said for kind, said in _COMPARES.items() if type(tree) is kind), None)
    if operator is None or not isinstance(tree, exp.Binary):
        raise Unplannable(reasons.NOT_COMPARED_WITH_CONSTANT)
    left, right = tree.left.unnest(), tree.right.unnest()
    for side, other, said in ((left, right, operator), (right, left, _TURNED[operator])):
        if isinstance(side, exp.Anonymous) and number_of(side.name) == number:
            if not is_constant(other) or is_volatile(other) or calls_in(other):
                raise Unplannable(reasons.NOT_COMPARED_WITH_CONSTANT)
            return said, _bound_text(statement, span)
    raise Unplannable(reasons.NOT_COMPARED_WITH_CONSTANT)


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
                start, end = characters(words, other[0])
                return statement.text[start:end]
    raise Unplannable(reasons.COMPARISON_NOT_FOUND)


def _other_conditions(statement: Statement, place: _Place, target: int) -> list[tuple[str, bool]]:
    """(text, whether it stands outside of the join's own ON) of what else holds for the rows of the join."""
    words = statement.words
    found = []
    where = place.block.clauses.get("where")
    if any(relation.kind == "other" for relation in place.relations[target + 1 :]):
        where = None  # a row that a condition would drop may decide what such a join adds
    for span, outer in ((place.relations[target].condition, False), (where, True)):
        if span is not None:
            for part in conjuncts_in(statement.text, span):
                if part != place.mine:
                    start, end = characters(words, part)
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


def _stars(block: Block, select: exp.Select, alias: str) -> Iterator[tuple[Span, exp.Expr]]:
    """The stars in the SELECT list that would show a column more of the relation."""
    if "select" not in block.clauses:
        raise Unplannable(reasons.NO_SELECT_LIST)
    if len(block.columns) != len(select.expressions):
        raise Unplannable(reasons.COLUMNS_NOT_FOUND)
    for span, item in zip(block.columns, select.expressions, strict=True):
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            text = "".join(word.text for word in block.words[span[0] : span[1]])
            if text == "*":
                yield span, item
            elif text.endswith(".*"):
                if text[:-2].split(".")[-1].strip('"').lower() == alias.lower():
                    yield span, item
            else:
                raise Unplannable(reasons.STAR_CHANGED)
        elif any(not isinstance(star.parent, exp.Count) for star in item.find_all(exp.Star)):
            raise Unplannable(reasons.STAR_IN_EXPRESSION)


def apply(run: Run) -> None:
    """Each call that is the condition of a join is answered for the values of both sides, and joined by the pairs."""
    for number in list(run.stages):
        with contextlib.suppress(Unplannable):
            _apply(run, number)


def _apply(run: Run, number: int) -> None:
    join = join_by_call(run.statement, number, set(run.answers), run.binds)
    n_answered = len(run.answers)
    for other in calls_before(run.statement, number):
        if other in run.stages and other not in run.answers:
            with contextlib.suppress(Unplannable):
                run.stage(other)
    if len(run.answers) > n_answered:  # more of the conditions may be asked alone now
        join = join_by_call(run.statement, number, set(run.answers), run.binds)
    run.join(join)
