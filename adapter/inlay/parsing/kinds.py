"""What kind of statement a text is."""

from __future__ import annotations

from inlay.parsing.tokens import first_word, words


def is_query(sql: str) -> bool:
    """Whether a statement gives rows by itself."""
    return first_word(sql) in ("select", "with", "from", "(", "values", "pivot", "unpivot", "table")


def query_in(sql: str) -> str | None:
    """The query of CREATE TABLE … AS and INSERT INTO …, where it stands at the end and without brackets."""
    tokens = words(sql)
    if any(word.lower in ("returning", "conflict") for word in tokens):
        return None
    depth = 0
    for word in tokens:
        depth += (word.text == "(") - (word.text == ")")
        if depth == 0 and word.lower in ("select", "with", "from"):
            return sql[word.start :]
    return None
