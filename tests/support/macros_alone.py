"""The macros of the package without dbt: Jinja and the few words of dbt's that they use.

A dbt run takes seconds; this takes none, so every argument that a macro takes can be tried. That dbt itself reads them
alike, a few runs of whole projects show.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, Template

from support.dbt_runs import MACROS


class Refused(Exception):
    """What dbt calls a compilation error."""


def macro_files(folder: Path) -> list[Path]:
    """Of the package in this folder: those that are written by hand and those that are generated, one macro each."""
    return sorted([*folder.glob("*.sql"), *(folder / "generated").glob("*.sql")])


@cache
def _templates(folder: Path) -> list[Template]:
    environment = Environment(extensions=["jinja2.ext.do"])
    return [environment.from_string(file.read_text("utf-8")) for file in macro_files(folder)]


class _Returned(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class Macros:
    """`macros.ai_embed('body')`: what the macro gives on a DuckDB target.

    variables: dbt's vars. query: rows of a SQL statement, for a macro that runs one. execute: false while dbt parses.
    folder: of the package.
    """

    def __init__(
        self,
        variables: dict[str, Any] | None = None,
        *,
        query: Callable[[str], Sequence[Any]] | None = None,
        execute: bool = True,
        folder: Path = MACROS,
    ) -> None:
        known = variables or {}
        words: dict[str, Any] = {
            "inlay": self,
            "execute": execute,
            "var": lambda name, default=None: known.get(name, default),
            "env_var": lambda name, default=None: default,
            "adapter": SimpleNamespace(dispatch=lambda name, package: getattr(self, f"duckdb__{name}")),
            "exceptions": SimpleNamespace(raise_compiler_error=_refuse),
            "run_query": lambda sql: SimpleNamespace(rows=query(sql) if query is not None else []),
            "model": {"name": "a_model", "resource_type": "model", "config": {"materialized": "table"}},
            "local_md5": lambda text: hashlib.md5(text.encode()).hexdigest(),
            "tojson": lambda value, sort_keys=False: json.dumps(value, sort_keys=sort_keys),
            "fromjson": json.loads,
            "modules": SimpleNamespace(re=re),
            "return": _return,
        }
        self._macros: dict[str, Any] = {}
        for template in _templates(folder):
            context = template.new_context(words)
            list(template.root_render_func(context))
            self._macros.update(context.vars)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        macro = self._macros[name]

        def called(*args: Any, **kwargs: Any) -> Any:
            try:
                return str(macro(*args, **kwargs))
            except _Returned as returned:
                return returned.value

        return called


def _return(value: Any) -> None:
    raise _Returned(value)


def _refuse(message: str) -> None:
    raise Refused(message)
