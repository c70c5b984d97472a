"""Cheap conditions before calls, among what AND or OR joins, wherever that stands."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from sqlglot import exp

from inlay.parsing.edits import Edit
from inlay.parsing.marks import number_of, numbers_in
from inlay.parsing.reading import calls_in, node_of, parsed, written
from inlay.parsing.statement import Statement
from inlay.parsing.tokens import Text, Word, spliced
from inlay.parsing.unplannable import Unplannable
from inlay.planner.evaluation import may_raise

_OPEN, _CLOSE = "([{", ")]}"

# Where one condition ends and something else begins, besides commas and brackets.
_BORDERS = {
    "select", "from", "where", "on", "having", "qualify", "group", "order", "limit", "offset", "window", "using", "as",
    "case", "when", "then", "else", "end", "union", "intersect", "except", "join", "inner", "cross", "left", "right",
    "full", "natural", "asof", "positional", "semi", "anti", "by", "filter", "set", "values", "with", "distinct",
}  # fmt: skip

Span = tuple[int, int]


def order_predicates(statement: Statement) -> tuple[Statement, str] | None:
    """DuckDB takes OR, and AND of what may raise, as it is written: a call that stands first is made for every row."""
    n_moved = 0
    # The outermost first: what stands inside a part goes along with it.
    while (changed := _with_outermost_ordered(statement)) is not None:
        statement, n = changed
        n_moved += n
    note = f"{n_moved} condition{'s' * (n_moved > 1)} with a call put after cheaper ones"
    return (statement, note) if n_moved else None


def _with_outermost_ordered(statement: Statement) -> tuple[Statement, int] | None:
    """The statement, and how many of its conditions are put after others."""
    words = statement.words
    regions = _regions(statement.text)
    pieces = [piece for region in regions for piece in _reordered(statement, region)]
    if not pieces:
        return None
    kept = _outermost(pieces)
    spans = [(words[first].start, words[last - 1].end, "") for first, last in regions]
    edits = []
    for start, end, _ in _outermost([span for span in spans if any(_is_inside(piece, span) for piece in kept)]):
        inside = [(a - start, b - start, new) for a, b, new in kept if start <= a and b <= end]
        edits.append(Edit(start, end, spliced(statement.text[start:end], inside)))
    try:
        # Moved as text; read again, it must be the same conditions.
        read = [_condition(statement, edit) for edit in edits]
        if any(node is not None and not same for node, same in read):
            return None
        changed = statement.edited([edit._replace(node=node) for edit, (node, _) in zip(edits, read, strict=True)])
        if any(node is None for node, _ in read) and _sorted(changed.tree) != _sorted(statement.tree):
            return None
    except Unplannable:
        return None
    return changed, len(kept)


def _condition(statement: Statement, edit: Edit) -> tuple[exp.Expr | None, bool]:
    """(the condition that an edit is of, None where its text alone is no node of the tree; whether the new text is made
    of the same conditions)."""
    text = statement.text[edit.start : edit.end]
    try:
        before, after = _alone(text), _alone(edit.text)
    except Unplannable:
        return None, False
    node: exp.Expr | None = statement.node(numbers_in(text)[0])
    while node is not None and not (type(node) is type(before) and node == before):
        node = None if isinstance(node, exp.Query) else node.parent
    return node, _sorted(before) == _sorted(after)


def _alone(text: str) -> exp.Expr:
    found: list[exp.Expr] = parsed(f"SELECT {text}").expressions
    if len(found) != 1:
        raise Unplannable(text)
    alone: exp.Expr = found[0]
    return alone


def _regions(text: Text) -> list[Span]:
    """Runs of words on one level of brackets that hold a call somewhere inside, and AND or OR on that level."""
    words, brackets = text.words, text.brackets
    calls = [i for i, word in enumerate(words) if number_of(word.text) is not None]
    levels: dict[int, None] = {}
    for call in calls:
        opening = brackets.around[call]
        while opening >= 0 and opening not in levels:
            levels[opening] = None
            opening = brackets.around[opening]
    spans = [(opening + 1, brackets.closing[opening]) for opening in levels]
    return [
        region
        for level in [*spans, (0, len(words))]
        for region in _regions_of(text, level)
        if bisect_left(calls, region[0]) < bisect_left(calls, region[1])
    ]


def _regions_of(text: Text, level: Span) -> Iterator[Span]:
    """Runs of words of a level between commas and other borders, where AND or OR joins them."""
    words, closing = text.words, text.brackets.closing
    i = start = level[0]
    joined = False
    while i < level[1]:
        word = words[i].lower
        if word in _OPEN:
            i = closing[i]
        elif word == "case":  # a value among others, with runs of its own inside
            end = _end_of_case(text, i, level[1])
            yield from _regions_of(text, (i + 1, end))
            i = end
        elif word in (",", ";") or word in _BORDERS:
            if joined:
                yield start, i
            start, joined = i + 1, False
        elif word in ("and", "or"):
            joined = True
        i += 1
    if joined:
        yield start, level[1]


def _end_of_case(text: Text, first: int, last: int) -> int:
    """The END of a CASE, or where its level ends."""
    depth = 0
    for i in range(first, last):
        depth += (text.words[i].lower == "case") - (text.words[i].lower == "end")
        if not depth:
            return i
    return last


def _reordered(statement: Statement, region: Span) -> list[tuple[int, int, str]]:
    ors = cut(statement.words, region, "or")
    if len(ors) > 1:
        pieces = _moved(statement, ors, "or")
        return pieces or [piece for part in ors for piece in _reordered(statement, part)]
    return _moved(statement, cut(statement.words, region, "and"), "and")


def outside_brackets(tokens: list[Word], region: Span) -> list[int]:
    """Places of the words of a run that are in none of its brackets."""
    found, depth = [], 0
    for i in range(*region):
        depth -= tokens[i].text in _CLOSE
        if not depth:
            found.append(i)
        depth += tokens[i].text in _OPEN
    return found


def cut(tokens: list[Word], region: Span, joiner: str) -> list[Span]:
    """The parts of a run of words between joiners outside brackets, and outside CASE … END."""
    cuts, depth, between = [region[0] - 1], 0, 0
    for i in range(*region):
        word = tokens[i].lower
        depth += (word in _OPEN or word == "case") - (word in _CLOSE or word == "end")
        if depth:
            continue
        between += word == "between"
        if word == "and" and between:
            between -= 1  # this AND joins nothing
        elif word == joiner:
            cuts.append(i)
    return [(left + 1, right) for left, right in zip(cuts, [*cuts[1:], region[1]], strict=True)]


def _without_brackets(statement: Statement, parts: list[Span], joiner: str) -> Iterator[Span]:
    """The parts, of one in brackets those that the same joiner joins in it: DuckDB sees no brackets there."""
    tokens, closing = statement.words, statement.text.brackets.closing
    for first, end in parts:
        inside = (first + 1, end - 1)
        is_bracket = tokens[first].text == "(" and closing[first] == end - 1
        found = cut(tokens, inside, joiner) if is_bracket else []
        if len(found) < 2 or (joiner == "and" and len(cut(tokens, inside, "or")) > 1):
            yield first, end
        else:
            yield from _without_brackets(statement, found, joiner)


def _moved(statement: Statement, joined: list[Span], joiner: str) -> list[tuple[int, int, str]]:
    """The parts in their new order, as one piece of text; nothing where the order is right as it is."""
    tokens = statement.words
    if len(joined) < 2 or any(left >= right for left, right in joined):
        return []
    parts = list(_without_brackets(statement, joined, joiner))
    texts = [statement.text[tokens[left].start : tokens[right - 1].end] for left, right in parts]
    calls = [
        any(number_of(tokens[i].text) is not None for i in range(*part)) and not _asks_no_row(text)
        for part, text in zip(parts, texts, strict=True)
    ]
    first = calls.index(True) if True in calls else len(parts)
    cheap, later = [], []
    for i, text in enumerate(texts):
        # What may raise stays behind the conditions that stood before it.
        if i > first and not calls[i] and not _holds_back(text):
            cheap.append(text)
        elif i >= first:
            later.append(text)
    if not cheap:
        return []
    ordered = [*texts[:first], *cheap, *later]
    between = f" {tokens[joined[0][1]].text} "
    return [(tokens[joined[0][0]].start, tokens[joined[-1][1] - 1].end, between.join(ordered))]


def _asks_no_row(text: str) -> bool:
    """Whether the calls of a condition are all in subqueries that read none of its rows, which DuckDB runs before."""
    if "(" not in text or "select" not in text.lower():
        return False
    try:
        tree = parsed(text)
        return all(_is_in_own_query(node_of(tree, number)) for number in calls_in(tree))
    except Unplannable:
        return False


def _is_in_own_query(node: exp.Expr) -> bool:
    query = node.find_ancestor(exp.Select)
    if query is None:
        return False
    names = {table.alias_or_name.lower() for table in query.find_all(exp.Table, exp.Subquery)}
    return all(not column.table or column.table.lower() in names for column in query.find_all(exp.Column))


def _holds_back(text: str) -> bool:
    try:
        return may_raise(parsed(text))
    except Unplannable:
        return True


def _outermost(pieces: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    return [piece for piece in pieces if not any(other is not piece and _is_inside(piece, other) for other in pieces)]


def _is_inside(piece: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return other[0] <= piece[0] and piece[1] <= other[1]


def _sorted(tree: exp.Expr) -> str:
    """The tree as text, with what AND and OR join in alphabetical order, and no brackets in between."""

    def sort(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.And | exp.Or) and not isinstance(node.parent, type(node)):
            parts = sorted(written(part) for part in node.flatten())
            return exp.Anonymous(this=type(node).__name__, expressions=[exp.Literal.string(part) for part in parts])
        return node

    # Inner connectors first, or their parts would be compared in the order in which they are written.
    copied = exp.Paren(this=tree.copy())
    for bracket in list(copied.find_all(exp.Paren)):
        if isinstance(bracket.this, exp.And | exp.Or) and isinstance(bracket.parent, type(bracket.this)):
            bracket.replace(bracket.this)
    for node in reversed(list(copied.find_all(exp.And, exp.Or))):
        if node.parent is not None and not isinstance(node.parent, type(node)):
            node.replace(sort(node))
    return written(copied)
