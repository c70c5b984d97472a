"""A statement's plan: the statement as the rules leave it, and its calls in the order in which they are answered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from inlay.parsing.kinds import kind_place, writing_inside
from inlay.parsing.marks import numbers_in
from inlay.parsing.reading import call_at
from inlay.parsing.statement import Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.evaluation import is_constant, is_constant_text, is_volatile, reads_clock
from inlay.planner.inside import query_read
from inlay.planner.known import block_of, values_of
from inlay.planner.lookups import joins_by_calls, named_columns
from inlay.planner.named_values import by_place
from inlay.planner.random_rows import has_random_rows, is_random
from inlay.planner.rules import RULES, AnswerRule, Applied, TextRule

# In the order in which a SELECT is evaluated.
_CLAUSES = ("from_", "joins", "laterals", "where", "group", "having", "windows", "qualify", "expressions", "order")
_CONDITIONS = ("where", "having", "qualify")


@dataclass
class Plan:
    """stages: numbers of calls, those first that others wait for. reasons: why the other calls stay on the plain
    path. around: the statement that runs, where `statement` is only the query whose rows it reads."""

    statement: Statement
    applied: list[Applied]
    stages: list[int]
    reasons: dict[int, str]
    around: Statement | None = None

    @property
    def runs(self) -> Statement:
        """The statement that runs."""
        return self.statement if self.around is None else self.around

    @property
    def binds(self) -> Statement:
        """What is bound before a model is asked: of PIVOT its source; binding PIVOT asks for the values of ON."""
        words = self.runs.words
        return self.statement if words[kind_place(words)].lower == "pivot" else self.runs


def make_plan(
    statement: Statement, column_name: Callable[[str], str], rules: Sequence[TextRule | AnswerRule] = RULES
) -> Plan:
    """The plan of one statement that holds a call. column_name: how DuckDB names a column of that text. Raises
    Unplannable with the reason where the statement is to run as it is."""
    if not statement.calls:
        raise Unplannable(reasons.NO_CALL)
    if written := writing_inside(statement.text):
        raise Unplannable(reasons.writes_inside(written))
    if (read := query_read(changed := by_place(statement))) is not None:
        return _staged(read, [], changed)
    if _query(statement.tree) is None:
        raise Unplannable(reasons.statement_kind(type(statement.tree).__name__.upper()))
    for call in statement.calls.values():
        statement.node(call.number)
    statement = by_place(named_columns(statement, column_name))
    applied: list[Applied] = []
    for rule in rules:
        moved = rule.apply(statement) if isinstance(rule, TextRule) else None
        if moved is not None:
            statement, note = moved
            applied.append(Applied(rule.name, note))
    return _staged(statement, applied)


def _staged(statement: Statement, applied: list[Applied], around: Statement | None = None) -> Plan:
    stages: list[int] = []
    obstacles: dict[int, str] = {}
    random = is_random(statement)
    statement = _varying_in_values(statement)
    for number in _in_order(statement):
        reason = _obstacle(statement, number, random)
        if reason is None:
            stages.append(number)
        else:
            obstacles[number] = reason
    if around is not None:
        obstacles |= {number: reasons.IN_RETURNING for number in around.calls if number not in {*stages, *obstacles}}
    return Plan(statement, applied, stages, obstacles, around)


def _varying_in_values(statement: Statement) -> Statement:
    """The statement with the calls in VALUES of several rows known to vary from row to row."""
    calls = {}
    for number, nodes in statement.index.calls.items():
        values, call = values_of(nodes[0]) if nodes else None, statement.calls.get(number)
        if values is not None and call is not None and len(values.expressions) > 1:
            places = frozenset(at for at, takes in enumerate(call.spec.args) if not takes.is_setting)
            calls[number] = replace(call, varies=places)
    return statement.edited([], calls) if calls else statement


def _query(tree: exp.Expr) -> exp.Expr | None:
    """The query of a statement that may be planned."""
    if isinstance(tree, exp.Query | exp.Values):
        return tree
    inner = tree.args.get("this" if isinstance(tree, exp.Copy | exp.Describe) else "expression")
    if isinstance(tree, exp.Create) and str(tree.args.get("kind")).upper() != "TABLE":
        return None
    if isinstance(tree, exp.Create | exp.Insert | exp.Copy | exp.Describe) and isinstance(
        inner, exp.Query | exp.Values
    ):
        return inner
    return None


def _obstacle(statement: Statement, number: int, random: bool) -> str | None:
    """Why a call cannot be answered ahead of the statement. random: whether something in it is picked at random."""
    try:
        node = statement.node(number)
        in_values = values_of(node) is not None
        if not in_values and is_constant(node) and _is_in_table_function(node):
            return reasons.IN_TABLE_FUNCTION
        if isinstance(node.parent, exp.In) and node.parent.this is not node:
            return reasons.RIGHT_OF_IN
        if isinstance(node.parent, exp.Window) and node.arg_key == "this":
            return reasons.BEFORE_OVER
        if is_volatile(node) or reads_clock(node):
            return reasons.VOLATILE
        if not in_values and random and has_random_rows(statement, node):
            return reasons.RANDOM_ROWS
        if not in_values and _is_in_recursion(node):
            return reasons.IN_RECURSION
        for name, text in statement.calls[number].settings.items():
            if not is_constant_text(text) or numbers_in(text):
                return reasons.varying_setting(name)
    except Unplannable as reason:
        return str(reason)
    return None


def _is_in_table_function(node: exp.Expr) -> bool:
    """Whether a call is in the arguments of a table function of its FROM."""
    relation = node.find_ancestor(exp.From, exp.Join, exp.Lateral, exp.Select)
    if relation is None or isinstance(relation, exp.Select):
        return False
    while node.parent is not relation:
        assert node.parent is not None
        node = node.parent
    return node.arg_key == "this"


def _is_in_recursion(node: exp.Expr) -> bool:
    """Whether a call is in a CTE that reads itself: its rows are there only while they are made."""
    names = {table.name.lower() for table in block_of(node)[0].find_all(exp.Table)}
    cte = node.find_ancestor(exp.CTE)
    while isinstance(cte, exp.CTE):
        if cte.alias.lower() in names and isinstance(cte.parent, exp.With) and cte.parent.args.get("recursive"):
            return True
        cte = cte.find_ancestor(exp.CTE)
    return False


def _in_order(statement: Statement) -> list[int]:
    """Numbers of the calls, those first that others may need: CTEs and subqueries before what reads them, WHERE before
    the SELECT list, the argument before the call."""
    around: set[int] = set()
    for node in (node for nodes in statement.index.calls.values() for node in nodes):
        above: exp.Expr | None = node
        while above is not None and id(above) not in around:
            around.add(id(above))
            above = above.parent
    numbers = (call_at(node) for node in _visited(statement.tree, around))
    return list(dict.fromkeys(number for number in numbers if number is not None))


def _visited(tree: exp.Expr, around: Collection[int]) -> Iterator[exp.Expr]:
    """Every node after the nodes inside it; in a SELECT clause by clause. around: the nodes that are visited."""
    args = tree.args
    names = list(args)
    if isinstance(tree, exp.Select):
        clauses = list(_CLAUSES)
        if joins_by_calls(tree):
            clauses.remove("joins")
            clauses.insert(clauses.index("where") + 1, "joins")
        names.sort(key=lambda name: clauses.index(name) if name in clauses else -1 if name == "with_" else 99)
    elif "with_" in args:
        names.sort(key=lambda name: name != "with_")
    for name in names:
        value = args[name]
        if isinstance(value, exp.Group):
            value = [value, *(item for item in args["expressions"] if _is_named_by(value, item))]
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, exp.Expr) and id(child) in around:
                if name in _CONDITIONS:  # DuckDB has the subqueries of a condition answered before it looks at a row
                    for query in _queries_inside(child, around):
                        yield from _visited(query, around)
                yield from _visited(child, around)
    yield tree


def _is_named_by(group: exp.Group, item: exp.Expr) -> bool:
    """Whether GROUP BY may only name a column, by whose values it groups."""
    names = {key.name.lower() for key in group.find_all(exp.Column)}
    by_place = group.args.get("all") or any(isinstance(key, exp.Literal) for key in group.find_all(exp.Literal))
    return (by_place or item.alias.lower() in names) and not item.find(exp.AggFunc, exp.Window)


def _queries_inside(tree: exp.Expr, around: Collection[int]) -> Iterator[exp.Query]:
    """The outermost."""
    for node in tree.walk(prune=lambda node: isinstance(node, exp.Query)):
        if isinstance(node, exp.Query) and id(node) in around:
            yield node
