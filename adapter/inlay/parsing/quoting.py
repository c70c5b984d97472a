"""Names and texts as SQL writes them, whatever they hold."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name in double quotes.

    >>> quoted('6" long')
    '"6"" long"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in single quotes.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
