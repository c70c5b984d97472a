"""What a dbt project would run: nodes in order, read from its compiled manifest.json.

Only the manifest is read (dbt writes it with `dbt compile`), so dbt itself need not be installed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from inlay.errors import ConfigError
from inlay.parsing.calls import find_calls


@dataclass(frozen=True)
class Node:
    """A relation of the project. sql: the query that makes it, None where it is read from the database as it is
    (seeds, sources, snapshots, Python models). relation: database, schema, name; None for tests."""

    id: str
    name: str
    sql: str | None
    relation: tuple[str, str, str] | None
    parents: tuple[str, ...]
    calls_models: bool


def read_manifest(path: Path, functions: Collection[str]) -> list[Node]:
    """Nodes, parents first. functions: lower-case names whose calls make a node one that
    `calls_models`.

    Raises ConfigError for a file that is no manifest, or one without compiled SQL.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Type first: dbt compile") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}. Type again: dbt compile") from error
    if not isinstance(manifest, dict) or "nodes" not in manifest:
        raise ConfigError(f"{path} is no dbt manifest. It lies in the project's target/ folder after: dbt compile")
    called = set(functions)
    nodes = {}
    for entry in (*manifest["nodes"].values(), *manifest.get("sources", {}).values()):
        node = _node(path, entry, called)
        if node is not None:
            nodes[node.id] = node
    order = TopologicalSorter({node.id: [p for p in node.parents if p in nodes] for node in nodes.values()})
    return [nodes[key] for key in order.static_order()]


def needed(nodes: list[Node]) -> list[Node]:
    """Nodes that call models, and everything they are made from, in order."""
    wanted: set[str] = set()
    for node in reversed(nodes):
        if node.calls_models or node.id in wanted:
            wanted.update((node.id, *node.parents))
    return [node for node in nodes if node.id in wanted]


def _node(path: Path, entry: Mapping[str, Any], called: Collection[str]) -> Node | None:
    kind, language = entry["resource_type"], entry.get("language", "sql")
    parents = tuple(entry.get("depends_on", {}).get("nodes", ()))
    relation = (entry["database"], entry["schema"], entry.get("alias") or entry.get("identifier") or entry["name"])
    identity = (entry["unique_id"], entry["name"])
    if kind in ("seed", "source", "snapshot") or (kind == "model" and language != "sql"):
        return Node(*identity, None, relation, (), calls_models=False)
    if kind not in ("model", "test") or entry.get("config", {}).get("enabled") is False:
        return None
    if kind == "model" and entry.get("config", {}).get("materialized") == "ephemeral":
        # Pasted into its readers by dbt; its parents are theirs.
        return Node(*identity, "", None, parents, calls_models=False)
    sql = entry.get("compiled_code")
    if sql is None:
        if kind == "test":
            return None
        raise ConfigError(f"{path} holds no compiled SQL for {entry['name']!r}. Type first: dbt compile")
    calls = bool(find_calls(sql, called))
    if kind == "test" and not calls:
        return None
    return Node(*identity, sql, relation if kind == "model" else None, parents, calls_models=calls)
