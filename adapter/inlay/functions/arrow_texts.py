"""The text that Arrow makes of a time or a fraction, in SQL: functions are handed it, and answers are looked up by it.

Where a row has another (infinity, years beyond 9999, 1e10, 1e-5), this SQL gives a text that Arrow gives no value, so
that nothing is found.
"""

from __future__ import annotations

from collections.abc import Mapping


def _padded(length: int, digits: int) -> str:
    """Of DuckDB's text, which has no zeros at its end. length: without a fraction. digits: of Arrow's fraction."""
    return rf"rpad(regexp_replace({{}}::VARCHAR, '^(.{{{{{length}}}}})$', '\1.'), {length + 1 + digits}, '0')"


_FRACTION = (
    r"regexp_replace(regexp_replace({}::VARCHAR, '^(-0\.0|.*e.*|-?\d{{11,}}\..*)$', chr(1) || '\1'), '\.0$', '')"
)

# DuckDB's zones are +05:30 and +02, Arrow's +0530 and +0200, and Z where the setting is UTC.
_ZONED = (
    r"regexp_replace(regexp_replace(regexp_replace(strftime({}, '%Y-%m-%d %H:%M:%S.%f%z'), "
    r"'([+-]\d\d):(\d\d)$', '\1\2'), '([+-]\d\d)$', '\100'), "
    r"'\+0000$', CASE current_setting('TimeZone') WHEN 'UTC' THEN 'Z' ELSE '+0000' END)"
)

_TEXTS: Mapping[str, str] = {
    "TIMESTAMP": _padded(19, 6),
    "TIMESTAMP_MS": _padded(19, 3),
    "TIMESTAMP_NS": _padded(19, 9),
    "TIMESTAMP_S": "{}::VARCHAR",
    "TIMESTAMP WITH TIME ZONE": _ZONED,
    "TIME": _padded(8, 6),
    "DOUBLE": _FRACTION,
    "FLOAT": _FRACTION,
}

WRITTEN_OTHERWISE = frozenset(_TEXTS)
"""Types whose values Arrow and DuckDB write differently."""

FRACTIONS = frozenset({"DOUBLE", "FLOAT"})


def arrow_text(value: str, kind: str) -> str:
    """SQL of the text that a function is handed for a value. kind: its type, of these; of any other DuckDB's text is
    Arrow's."""
    return _TEXTS.get(kind, "{}::VARCHAR").format(f"({value})")
