"""The errors behind DuckDB's messages, and where in the user's own text they are.

DuckDB hands on the text alone of what a Python function raises. The line that its messages show is of the statement
that ran, in which calls were replaced by lookups.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections import deque

import duckdb

from inlay.client.wrong_arguments import with_wrong_argument
from inlay.engine import cancel
from inlay.errors import InlayError, InterruptedQueryError

_recent: deque[InlayError] = deque(maxlen=100)
"""What the functions raised of late, without tracebacks."""


def remember(error: InlayError) -> None:
    _recent.append(type(error)(*error.args))


_PLACE = re.compile(r"\n\nLINE (\d+): (?P<line>[^\n]*)\n *(?P<mark>\^+)$")

_ALIKE = 12
"""Characters around a place that must be the user's: fewer may be found anywhere."""


def error_for_caller(error: Exception, watch: cancel.Watch, text: str = "") -> BaseException:
    """What the caller of a failed statement should see; `error` itself where nothing of ours is behind it. text: what
    the user wrote."""
    if watch.raised is not None and type(watch.raised) is not KeyboardInterrupt:
        return watch.raised
    original = original_error(error)
    if watch.ctrl_c:
        stopped = error if isinstance(error, InterruptedQueryError) else original
        message = str(stopped) if isinstance(stopped, InterruptedQueryError) else "interrupted; finished rows are kept."
        is_main = threading.current_thread() is threading.main_thread()
        return KeyboardInterrupt(message) if is_main else InterruptedQueryError(message)
    if watch.interrupted:
        return duckdb.InterruptException("INTERRUPT Error: Interrupted!")
    if original is not None:
        return original
    return _placed(with_wrong_argument(error, text), text) if text and isinstance(error, duckdb.Error) else error


def _placed(error: duckdb.Error, text: str) -> duckdb.Error:
    """The error with the line of the user's text in which its place is; with none where that cannot be told."""
    message = str(error)
    found = _PLACE.search(message)
    if found is None or text.split("\n")[int(found[1]) - 1 :][:1] == [found["line"]]:
        return error
    mark = found.start("mark") - message.rindex("\n", 0, found.start("mark")) - 1 - len(f"LINE {found[1]}: ")
    place = _place(text, found["line"], mark, mark + len(found["mark"]))
    shown = message[: found.start()]
    if place is not None:
        begin = text.rfind("\n", 0, place) + 1
        line = text[begin:].partition("\n")[0]
        number = f"LINE {text.count(chr(10), 0, place) + 1}: "
        shown += f"\n\n{number}{line}\n{' ' * (len(number) + place - begin)}{found['mark']}"
    return error if shown == message else type(error)(shown)


def _place(text: str, line: str, start: int, end: int) -> int | None:
    """Where line[start:end] is in the text: there, where most of what is around it is the same too."""
    before, marked, after = line[:start], line[start:end], line[end:]
    best: list[int] = []
    most = -1
    for each in re.finditer(re.escape(marked), text) if marked else ():
        alike = _alike(before[::-1], text[: each.start()][::-1]) + _alike(after, text[each.end() :])
        if alike >= most:
            best = [each.start()] if alike > most else [*best, each.start()]
            most = alike
    is_sure = len(best) == 1 and len(marked) + most >= min(len(line.strip()), _ALIKE)
    return best[0] if is_sure else None


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def original_error(raised: Exception) -> InlayError | None:
    """The error behind one of DuckDB's, once; None where no function of ours raised it."""
    text = str(raised)
    for error in reversed(_recent.copy()):  # to which other threads add
        if f"{type(error).__name__}: {error}" in text:
            with contextlib.suppress(ValueError):  # another thread was faster with an error of the same text
                _recent.remove(error)
            return error
    return None
