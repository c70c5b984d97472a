"""Checks a model's reply against the schema."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from inlay.json_schema.formats import FORMATS
from inlay.json_schema.patterns import compiled

_FENCED = re.compile(r"\A```[A-Za-z]*[ \t]*\r?\n(?P<body>.*?)\r?\n?[ \t]*```\Z", re.S)
_BLANKS = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')
_SURROGATE = re.compile("[\ud800-\udfff]")


def validated(schema_text: str, reply: str) -> tuple[str | None, str | None]:
    """(compact JSON, None), or (None, why the reply is no answer).

    reply: JSON, also within a ``` fence. Blanks outside strings go; nothing else changes, so numbers keep their digits.
    Also refused: a field written twice, NaN and numbers that no double holds, and escapes that are half a character or
    NUL, which DuckDB does not read.
    """
    text = reply.strip()
    fenced = _FENCED.match(text)
    if fenced:
        text = fenced["body"].strip()
    try:
        value = loads(text)
    except json.JSONDecodeError as error:
        return None, f"the reply is not JSON: {error.msg} at character {error.pos:,} of {_shown(text)}"
    except ValueError as error:
        return None, f"the reply is not JSON that DuckDB can store: {error}"
    except RecursionError:
        return None, "the reply is nested too deeply to be read"
    problem = _problem(schema_text, value)
    return (None, problem) if problem else (compact(text), None)


def compact(text: str) -> str:
    """A JSON text without the blanks outside its strings; nothing else changes, so numbers keep their digits."""
    return _BLANKS.sub(r"\1", text)


def loads(text: str) -> Any:
    """The value of a JSON text. Raises ValueError for what JSON's grammar leaves open and DuckDB does not take."""
    if _SURROGATE.search(text):
        raise ValueError("it contains half of a surrogate pair")
    return _decoder().decode(text)


def loads_at(text: str, start: int) -> tuple[Any, int]:
    """The value that begins at this place of a text, and where it ends. Raises as loads()."""
    return _decoder().raw_decode(text, start)


@cache
def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_fields, parse_constant=_no_constant, parse_float=_finite)


def is_json(text: str) -> bool:
    try:
        loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _problem(schema_text: str, value: Any) -> str | None:
    try:
        error = error_in(schema_text, value)
    except RecursionError:
        return "the reply is nested too deeply to be checked"
    if error is not None:
        place = f" at {error.json_path}" if error.absolute_path else ""
        return f"the reply does not fit the schema{place}: {_shorter(error.message)}"
    return "the reply contains half of a surrogate pair, or NUL" if has_no_text(value) else None


def error_in(schema_text: str, value: Any) -> Any:
    """The most relevant of jsonschema's errors for a value, or None. Raises RecursionError."""
    from jsonschema.exceptions import best_match

    return best_match(_validator(schema_text).iter_errors(value))


@lru_cache(maxsize=64)
def _validator(schema_text: str) -> Any:
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.validators import extend
    from referencing import Registry

    # A checker of our own: jsonschema's passes every date-time, time and uri unless further packages are installed.
    checker = FormatChecker(formats=())
    for name, pattern in FORMATS.items():
        checker.checks(name)(matcher(pattern))
    kind = extend(Draft202012Validator, {"pattern": _pattern})
    # The registry is of its own, which fetches nothing from elsewhere.
    return kind(json.loads(schema_text), format_checker=checker, registry=Registry())


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Exception]:
    from jsonschema import ValidationError

    if isinstance(value, str) and compiled(pattern).search(value) is None:
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def matcher(pattern: str) -> Any:
    expression = re.compile(pattern)
    return lambda value: not isinstance(value, str) or expression.fullmatch(value) is not None


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"the field {_shown(twice)} occurs twice in one object")
    return fields


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {_shown(text)} is too large for a double")
    return number


def has_no_text(value: Any) -> bool:
    """Whether a text in it is none to DuckDB."""
    if isinstance(value, str):
        return "\0" in value or _SURROGATE.search(value) is not None
    if isinstance(value, dict):
        return any(has_no_text(each) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(has_no_text(each) for each in value)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")


def _shorter(message: str) -> str:
    return message if len(message) <= 240 else f"{message[:120]} … {message[-110:]}"
