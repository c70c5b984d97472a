"""Why a DuckDB file cannot be opened, in one line."""

from __future__ import annotations

import re

import duckdb

from inlay.errors import InlayError

_HOLDER = re.compile(r"Conflicting lock is held in (.*?) ?\(PID (\d+)\)")


def not_opened(database: object, error: duckdb.Error) -> InlayError:
    held = _HOLDER.search(str(error))
    if held:
        return InlayError(
            f"{database} is held by another process: {held[1]}, pid {held[2]}. DuckDB lets one process write to a file "
            "while no other has it open. Close it there, or copy the file and name the copy."
        )
    return InlayError(f"{database} cannot be opened: {' '.join(str(error).split())}")
