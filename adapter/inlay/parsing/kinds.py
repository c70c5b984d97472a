"""What kind of statement a text is."""

from __future__ import annotations

from inlay.parsing.tokens import Text, Word, closing, first_word, words

BEGIN_A_QUERY = {"select", "with", "from", "(", "values", "pivot", "unpivot", "table"}


def is_query(sql: str) -> bool:
    """Whether a statement gives rows by itself. WITH … INSERT does not."""
    first = first_word(sql)
    if first != "with":
        return first in BEGIN_A_QUERY
    tokens = words(sql)
    place = kind_place(tokens)
    return place < len(tokens) and tokens[place].lower in BEGIN_A_QUERY


def kind_place(tokens: list[Word]) -> int:
    """The place of the word that says which kind of statement this is, behind a WITH clause; the number of words where
    there is none."""
    if not tokens or tokens[0].lower != "with":
        return 0
    i = 1
    while i < len(tokens):
        if tokens[i].text == "(":
            i = closing(tokens, i)
            after = tokens[i + 1].lower if i + 1 < len(tokens) else ""
            if after not in (",", "as", "using"):
                return i + 1
        i += 1
    return len(tokens)


def writing_inside(sql: str) -> str | None:
    """How a statement changes a table from within a bracket: DELETE in WITH x AS (DELETE FROM …) SELECT …"""
    tokens = words(sql)
    for i, word in enumerate(tokens):
        if word.text != "(":
            continue
        kind, after = ([word.lower for word in tokens[i + 1 : i + 3]] + ["", ""])[:2]
        if (kind, after) in {("insert", "into"), ("insert", "or"), ("delete", "from"), ("merge", "into")}:
            return kind.upper()
        if kind == "update" and any(word.lower == "set" for word in tokens[i + 2 : closing(tokens, i)]):
            return kind.upper()
    return None


def explained_statement(sql: str) -> tuple[Text, bool] | None:
    """(statement, whether to run it) of EXPLAIN and EXPLAIN ANALYZE. None for anything else, and for EXPLAIN with
    options in brackets, which is DuckDB's."""
    if first_word(sql) != "explain":
        return None
    text = Text.of(sql)
    tokens = text.words
    if len(tokens) < 2 or tokens[1].text == "(":
        return None
    analyze = tokens[1].lower in ("analyze", "analyse")
    if len(tokens) < 2 + analyze + 1:
        return None
    return text.part(tokens[1 + analyze].start, len(text)), analyze
