"""`python -m inlay.dbt.compile`: what dbt says of a project, asked of dbt itself in a process of its own.

A request is read from standard input, and the answer is written to the file that it names, both JSON. Of a project
only what calls models, and what that is made from, is compiled: in a large project that is a small part.
dbt's own files go where the request says, so what it knows of unchanged files lasts from one command to the next.

A process of its own, because a DuckDB file is not opened twice by one process with two configurations, and because dbt
has settings that belong to a process.
"""

from __future__ import annotations

import contextlib
import gc
import json
import re
import shutil
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from inlay.errors import InlayError
from inlay.functions.definitions import all_definitions
from inlay.settings.read import with_whole_paths

_PLUGINS = ("inlay.dbt_plugin", "inlay.dbt.plugin")
_PARSED = "partial_parse.msgpack"
_COMPILED = ("model", "test", "snapshot")
_ASKS = re.compile(r"\b(adapter|graph|invocation_id|load_result|modules|run_query|run_started_at|statement)\b")


def main() -> int:
    gc.disable()  # dbt makes millions of objects and keeps them: a fifth of the time, for a process that ends soon
    request = json.load(sys.stdin)
    answer = _answer(request)
    Path(request["answer"]).write_text(json.dumps(answer), "utf-8")
    return 0


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """`error` alone where dbt refuses the project; otherwise the `profile`; `nodes` and `sources` where they are to be
    compiled; and what is `selected` where that is said, with all `names` and the criteria that are `unmatched`."""
    try:
        dbt = _Dbt(request)
        found: dict[str, Any] = {"profile": _profile()}
        if request["compile"]:
            found |= dbt.compiled()
        if request["select"] or request["exclude"] or request["selector"]:
            found |= {"selected": dbt.selected(), "unmatched": dbt.unmatched, "names": dbt.names()}
    except (_Refused, InlayError) as error:
        return {"error": str(error)}
    return found


class _Refused(Exception):
    """What dbt says of a command that it does not run."""


class _Dbt:
    def __init__(self, request: Mapping[str, Any]) -> None:
        self._request = request
        self.unmatched: list[str] = []
        self._variables = _variables(request["vars"])
        self._flags = ["--target-path", request["target_path"]]
        if self._variables:
            self._flags += ["--vars", json.dumps(self._variables)]
        for option in ("target", "profile", "profiles_dir"):
            if request[option]:
                self._flags += [f"--{option.replace('_', '-')}", request[option]]
        _know_what_dbt_knows(Path(request["target_path"]))
        self._manifest: Any = None
        self._manifest = self._invoke("parse")

    def compiled(self) -> dict[str, Any]:
        """The nodes that call models, and what they are made from, compiled; others are not.

        By dbt's compiler itself: the command `dbt compile` stops at the first model that cannot be compiled, and takes
        twice as long.
        """
        from dbt.adapters.factory import FACTORY
        from dbt.compilation import Compiler
        from dbt.flags import get_flags
        from dbt_common.exceptions import DbtBaseException

        # As by `dbt compile --full-refresh`: incremental models for all rows, since what is known costs nothing.
        flags = get_flags()  # type: ignore[no-untyped-call]
        object.__setattr__(flags, "FULL_REFRESH", True)
        object.__setattr__(flags, "WHICH", "compile")
        manifest = self._manifest
        adapter: Any = next(iter(FACTORY.adapters.values()))
        # Views may call here, since they are only read. The macros ask for the form while they are compiled, so what
        # dbt's own commands have parsed holds here too.
        adapter.config.cli_vars = {**self._variables, "inlay_form": "infer"}
        compiler = Compiler(adapter.config)
        calling = _calling(manifest)
        failed: dict[str, str] = {}
        compiled = sorted(_with_parents(manifest, calling))
        with adapter.connection_named("inlay"):
            for key in compiled:
                try:
                    compiler.compile_node(manifest.nodes[key], manifest, {}, write=False)
                except DbtBaseException as error:
                    failed[key] = str(getattr(error, "msg", error))
        nodes = {
            key: {**_entry(node), "problem": failed.get(key), "calls": key in calling}
            for key, node in manifest.nodes.items()
        }
        sources = {key: _entry(source) for key, source in manifest.sources.items()}
        return {"nodes": nodes, "sources": sources, "is_fixed": not failed and compiles_alike(manifest, compiled)}

    def names(self) -> list[str]:
        return sorted({node.name for node in self._manifest.nodes.values() if node.resource_type in _COMPILED[:1]})

    def selected(self) -> list[str]:
        arguments = ["--select", *self._request["select"]] if self._request["select"] else []
        arguments += ["--exclude", *self._request["exclude"]] if self._request["exclude"] else []
        arguments += ["--selector", self._request["selector"]] if self._request["selector"] else []
        found = self._invoke("list", *arguments, "--output", "json", "--output-keys", "unique_id")
        return [json.loads(each)["unique_id"] for each in found or ()]

    def _invoke(self, command: str, *arguments: str) -> Any:
        from dbt.cli.main import dbtRunner

        quiet = ("--quiet", "--no-use-colors", "--log-level-file", "none", "--no-write-json")
        ran = dbtRunner(self._manifest, [self._listen]).invoke([command, *quiet, *self._flags, *arguments])
        if not ran.success:
            raise _Refused(str(ran.exception or "dbt gives no reason"))
        return ran.result

    def _listen(self, event: Any) -> None:
        if event.info.name == "NoNodesForSelectionCriteria":
            self.unmatched.append(event.data.spec_raw)


def _know_what_dbt_knows(target: Path) -> None:
    """What dbt's own commands have parsed in this project since ours did; dbt itself sees what of it still holds."""
    theirs, ours = Path("target", _PARSED), target / _PARSED
    with contextlib.suppress(OSError):
        if not ours.exists() or theirs.stat().st_mtime > ours.stat().st_mtime:
            shutil.copyfile(theirs, ours)


def _variables(text: str) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(text or "{}")
    except yaml.YAMLError as error:
        raise _Refused(f"--vars is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise _Refused(f"--vars is {text!r}; write names and values: --vars '{{topics: [a, b]}}'")
    return found


def _calling(manifest: Any) -> set[str]:
    """Nodes whose text, or that of a macro or an ephemeral model which they use, names a function: some of them call
    none."""
    profile = _profile().get("plugin") or {}
    specs = all_definitions(tuple(Path(folder) for folder in profile.get("functions_folders", ())))
    named = re.compile(rf"({'|'.join(map(re.escape, specs))})\b", re.IGNORECASE)
    users: dict[str, list[str]] = {}
    for key, macro in manifest.macros.items():
        for used in macro.depends_on.macros:
            users.setdefault(used, []).append(key)
    waiting = [key for key, macro in manifest.macros.items() if named.search(macro.macro_sql)]
    macros = set(waiting)
    while waiting:
        more = set(users.get(waiting.pop(), ())) - macros
        macros |= more
        waiting += more
    found = {
        key
        for key, node in manifest.nodes.items()
        if node.resource_type in _COMPILED
        and (named.search(node.raw_code or "") or not macros.isdisjoint(node.depends_on.macros))
    }
    pasted = [key for key in found if manifest.nodes[key].config.materialized == "ephemeral"]
    while pasted:  # into its readers, which then call what it calls
        ephemeral = pasted.pop()
        for key, node in manifest.nodes.items():
            if key not in found and node.resource_type in _COMPILED and ephemeral in node.depends_on.nodes:
                found.add(key)
                pasted += [key] if node.config.materialized == "ephemeral" else []
    return found


def compiles_alike(manifest: Any, keys: Collection[str]) -> bool:
    """Whether these nodes compile to the same SQL as long as no file and no variable changes: none asks the database or
    the clock, by itself or by a macro of the user's. What dbt's own macros and inlay's ask changes nothing here."""
    waiting = [macro for key in keys for macro in manifest.nodes[key].depends_on.macros]
    texts = [manifest.nodes[key].raw_code for key in keys]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        macro = manifest.macros.get(name)
        if macro is None or name in seen or macro.package_name in ("dbt", "dbt_duckdb", "inlay"):
            if name in ("macro.dbt.run_query", "macro.dbt.statement"):
                return False
            continue
        seen.add(name)
        texts.append(macro.macro_sql)
        waiting += macro.depends_on.macros
    return not any(_ASKS.search(text) for text in texts)


def _with_parents(manifest: Any, keys: Collection[str]) -> set[str]:
    """Nodes of SQL, and those that they are made from."""
    found: set[str] = set()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        node = manifest.nodes.get(key)
        if node is not None and key not in found and node.resource_type in _COMPILED:
            found.add(key)
            waiting += getattr(node.depends_on, "nodes", ())
    return {key for key in found if manifest.nodes[key].language == "sql"}


def _entry(node: Any) -> dict[str, Any]:
    """What inlay.dbt.manifest reads of a node of manifest.json."""
    config = node.config
    return {
        "unique_id": node.unique_id, "name": node.name, "resource_type": str(node.resource_type),
        "database": node.database, "schema": node.schema,
        "alias": getattr(node, "alias", None) or getattr(node, "identifier", None),
        "language": getattr(node, "language", "sql"),
        "depends_on": {"nodes": list(getattr(getattr(node, "depends_on", None), "nodes", ()))},
        "config": {"enabled": config.enabled, "materialized": getattr(config, "materialized", None)},
        "compiled_code": getattr(node, "compiled_code", None), "raw_code": getattr(node, "raw_code", ""),
        "original_file_path": node.original_file_path,
    }  # fmt: skip


def _profile() -> dict[str, Any]:
    """Where the target's database is, what else the profile attaches, and the config of the plugin."""
    from dbt.adapters.factory import FACTORY

    adapters: list[Any] = list(FACTORY.adapters.values())
    for adapter in adapters:
        credentials = adapter.config.credentials
        if credentials.type != "duckdb":
            return {"type": credentials.type}
        plugins = [each for each in credentials.plugins or () if each.module in _PLUGINS]
        return {
            "type": "duckdb", "path": credentials.path, "database": credentials.database,
            "attach": [(each.alias, each.path, each.type) for each in credentials.attach or ()],
            "settings": {str(key): value for key, value in (credentials.settings or {}).items()},
            "extensions": [getattr(each, "name", each) for each in credentials.extensions or ()],
            "plugin": with_whole_paths(plugins[0].config or {}, Path.cwd()) if plugins else None,
        }  # fmt: skip
    return {"type": "none"}


if __name__ == "__main__":
    sys.exit(main())
