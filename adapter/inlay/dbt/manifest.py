"""What a dbt project would run: nodes in order, read from the form of dbt's manifest.json.

A compiled manifest has all of it (dbt writes one with `dbt compile`), so dbt itself need not be installed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from inlay.errors import ConfigError
from inlay.parsing.calls import find_calls

_MADE_BY = {"seed": "dbt seed", "source": "", "snapshot": "dbt snapshot", "model": "dbt run --select {name}"}


@dataclass(frozen=True)
class Node:
    """A relation of the project, or a test.

    sql: the query that makes it; '' where dbt pastes it into its readers, None where there is none, and `problem` says
    why if it calls models. relation: database, schema, name; None for tests. is_read: it is read from the database as
    it is there: a seed, source, snapshot or Python model. made_by: what is typed to have it there.
    """

    id: str
    name: str
    sql: str | None
    relation: tuple[str, str, str] | None
    parents: tuple[str, ...]
    calls_models: bool
    is_read: bool = False
    problem: str = ""
    made_by: str = ""


def load_manifest(path: Path) -> Mapping[str, Any]:
    """A manifest.json. Raises ConfigError for a file that is none, and where files of the project beside it have
    changed since."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Type first: dbt compile") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}. Type again: dbt compile") from error
    if not isinstance(manifest, dict) or "nodes" not in manifest:
        raise ConfigError(f"{path} is no dbt manifest. It lies in the project's target/ folder after: dbt compile")
    if changed := changed_files(manifest, path):
        more = f" and {len(changed) - 3} more files" if len(changed) > 3 else ""
        raise ConfigError(
            f"{path} is older than the project: {', '.join(changed[:3])}{more} changed since it was compiled. Type "
            "first: dbt compile"
        )
    return manifest


def nodes_of(manifest: Mapping[str, Any], functions: Collection[str]) -> list[Node]:
    """Nodes, parents first. functions: lower-case names whose calls make a node one that `calls_models`.

    Raises ConfigError where nothing is compiled.
    """
    named = re.compile(rf"\b({'|'.join(map(re.escape, functions))})\s*\(", re.IGNORECASE)
    found = (
        _node(entry, functions, named) for entry in (*manifest["nodes"].values(), *manifest.get("sources", {}).values())
    )
    nodes = {node.id: node for node in found if node is not None}
    if any(node.problem and not node.is_read for node in nodes.values()) and not any(
        node.sql for node in nodes.values()
    ):
        raise ConfigError("the manifest has no compiled SQL. Type first: dbt compile")
    order = TopologicalSorter({node.id: [p for p in node.parents if p in nodes] for node in nodes.values()})
    return [nodes[key] for key in order.static_order()]


def needed(nodes: Iterable[Node], selected: Collection[str] | None = None) -> list[Node]:
    """Nodes that call models, and everything they are made from, in order. selected: those that count, by id; None for
    all."""
    nodes = list(nodes)
    wanted: set[str] = set()
    for node in reversed(nodes):
        if node.id in wanted or (node.calls_models and (selected is None or node.id in selected)):
            wanted.update((node.id, *node.parents))
    return [node for node in nodes if node.id in wanted]


def changed_files(manifest: Mapping[str, Any], path: Path) -> list[str]:
    """Files of the project around a manifest whose text is not that of the manifest, in order of their names. Nothing
    where the project is not there."""
    project = next((up for up in path.resolve().parents if (up / "dbt_project.yml").is_file()), None)
    if project is None:
        return []
    own = manifest.get("metadata", {}).get("project_name")
    changed = set()
    for entry in manifest["nodes"].values():
        checksum = entry.get("checksum") or {}
        if entry.get("package_name") == own and entry["resource_type"] == "model" and checksum.get("name") == "sha256":
            text = _text(project / entry["original_file_path"])
            if text is None or hashlib.sha256(text.strip().encode()).hexdigest() != checksum["checksum"]:
                changed.add(entry["original_file_path"])
    for macro in manifest.get("macros", {}).values():
        if macro.get("package_name") == own:
            text = _text(project / macro["original_file_path"])
            if text is None or macro["macro_sql"].strip() not in text:
                changed.add(macro["original_file_path"])
    return sorted(changed)


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _node(entry: Mapping[str, Any], functions: Collection[str], named: re.Pattern[str]) -> Node | None:
    kind, config, sql = entry["resource_type"], entry.get("config") or {}, entry.get("compiled_code")
    if kind not in (*_MADE_BY, "test") or config.get("enabled") is False:
        return None
    is_python = entry.get("language", "sql") != "sql"
    is_read = kind in ("seed", "source", "snapshot") or is_python
    problem = ""
    if sql is None or is_python:  # what is called there is not certain
        is_named = bool(named.search(entry.get("raw_code") or ""))
        calls = is_named if is_python else entry.get("calls", is_named)
        problem = _problem(entry, is_python) if calls or kind in ("model", "snapshot") else ""
        sql = None
    else:
        calls = bool(named.search(sql)) and bool(find_calls(sql, functions))
    if kind == "model" and config.get("materialized") == "ephemeral":
        # Pasted into its readers by dbt; its parents are theirs.
        sql, calls, problem = "", False, ""
    if kind == "test" and not calls:
        return None
    relation = (entry["database"], entry["schema"], entry.get("alias") or entry.get("identifier") or entry["name"])
    return Node(
        id=entry["unique_id"],
        name=entry["name"],
        sql=sql,
        relation=None if kind == "test" or sql == "" else relation,
        parents=tuple(entry.get("depends_on", {}).get("nodes", ())) if calls or not is_read else (),
        calls_models=calls,
        is_read=is_read,
        problem=problem,
        made_by=_MADE_BY.get(kind, "").format(name=entry["name"]),
    )


def _problem(entry: Mapping[str, Any], is_python: bool) -> str:
    """Why a node has no SQL that could be run, as the rest of a sentence."""
    if is_python:
        return "is a Python model, whose calls are known once it runs"
    return f"cannot be compiled: {entry['problem']}" if entry.get("problem") else "has no compiled SQL"
