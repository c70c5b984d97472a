"""What is built already: the databases of a dbt project, attached read-only under other names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from inlay.client.opening import not_opened
from inlay.parsing.quoting import literal, quoted

Relation = tuple[str, str, str]
"""Database, schema, name."""


@dataclass(frozen=True)
class Databases:
    """The DuckDB file that a project builds into (None: it has no file), and what else its profile attaches, by name:
    path and type."""

    file: Path | None
    others: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()


class Built:
    """Relations of a project's databases, read from there."""

    def __init__(self, con: Any, databases: Databases, names: set[str]) -> None:
        """names: the databases that the project's relations are in. Raises InlayError where the project's own file is
        held by another process, or is no database."""
        self._con = con
        self._databases = databases
        self._attached: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        for name in names:
            path, kind = databases.others.get(name, (str(databases.file or ""), None))
            alias = f"_inlay_built_{len(self._attached)}"
            if path and not (kind is None and not Path(path).is_file() and "://" not in path):
                self._attach(name, path, kind, alias)
        self._there = {
            (database, *(each.lower() for each in relation))
            for database, *relation in con.execute(
                "SELECT database_name, schema_name, table_name FROM duckdb_tables() UNION ALL "
                "SELECT database_name, schema_name, view_name FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
        }

    def _attach(self, name: str, path: str, kind: str | None, alias: str) -> None:
        how = "READ_ONLY" if kind is None else f"TYPE {kind}, READ_ONLY"
        try:
            self._con.execute(f"ATTACH {literal(path)} AS {alias} ({how})")
        except duckdb.Error as error:
            if name not in self._databases.others:
                raise not_opened(path, error) from error
            self._failed[name] = str(error).split("\n")[0]
        else:
            self._attached[name] = alias

    def sql_name(self, relation: Relation) -> str | None:
        """Its name in SQL; None where it is not there. Names match as they do in DuckDB, in any case."""
        alias = self._attached.get(relation[0])
        if alias is None or (alias, relation[1].lower(), relation[2].lower()) not in self._there:
            return None
        return ".".join([alias, quoted(relation[1]), quoted(relation[2])])

    def is_missing(self, relation: Relation, made_by: str) -> str:
        """Why it is not there, as the rest of a sentence."""
        where = self._databases.others.get(relation[0], (str(self._databases.file or "any database"), None))[0]
        if why := self._failed.get(relation[0]):
            return f"is in {where}, which cannot be opened: {why}"
        return f"is not in {where}" + (f" (type first: {made_by})" if made_by else "")
