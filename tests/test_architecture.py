"""The rooms of the design: who may import whom, and what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "adapter" / "inlay"

# Each room may import from itself and from rooms above it. The edges (last line) may use everything.
FLOORS: list[set[str]] = [
    {"errors", "types", "explanation"},
    {"config", "definitions", "json_schema", "models", "reference"},
    {"store", "backends", "planner"},
    {"engine"},
    {"functions"},
    {"ledger", "progress"},
    {"session"},
    {"calls_in_sql", "duckdb_arguments", "estimate", "foresee", "views_that_call"},
    {"provenance", "semantic_join", "caller_tables"},
    {"runner"},
    {"planned"},
    {"explained"},
    {"duckdb_udf"},
    {"connection", "manifest"},
    {"infer"},
    {"dbt_plugin", "cli", "cli_infer", "cli_store", "doctor", "notebook", "__init__", "__main__"},
]
HEAVY = {"torch", "transformers", "tokenizers", "safetensors", "sentence_transformers"}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(i for i, names in enumerate(FLOORS) if name in names)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "inlay":
                names |= {f"inlay.{alias.name}" for alias in node.names if not alias.name.startswith("__")}
    return names


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_only_from_rooms_above(path: Path) -> None:
    if room(path) == "__init__":
        return
    here = floor(room(path))
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "inlay" and len(parts) > 1:
            assert floor(parts[1]) <= here, f"{path} imports {name}, which stands below it"


def test_engine_knows_no_sql_and_backends_no_duckdb() -> None:
    for path in MODULES:
        if room(path) in {"engine", "backends", "functions", "store", "models"}:
            assert not any(name.split(".")[0] in {"duckdb", "sqlglot"} for name in imported(path)), path


def test_the_planner_knows_statements_alone() -> None:
    for path in MODULES:
        if room(path) == "planner":
            ours = {name for name in imported(path) if name.split(".")[0] == "inlay"}
            assert all(name.startswith(("inlay.planner", "inlay.types")) for name in ours), path


def test_torch_is_imported_by_its_backend_alone() -> None:
    for path in MODULES:
        if {name.split(".")[0] for name in imported(path)} & HEAVY:
            assert room(path) in {"backends", "doctor"}, path


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'dbt', 'ray', 'pyarrow', 'duckdb', 'numpy', 'sqlglot'}"
    assert run_python(f"import sys, inlay; print(sorted({heavy} & set(sys.modules)))").strip() == "[]"


def test_answers_of_the_fake_model_need_no_torch() -> None:
    code = (
        "import sys, inlay\n"
        "with inlay.connect(model='fake') as con: con.execute(\"select ai_classify('x', ['a', 'b'])\").fetchall()\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    assert run_python(code).strip() == "[]"


def test_import_is_quick() -> None:
    # Not a benchmark: the promise is 0.3 s and the import takes some milliseconds; the best of five on a busy
    # machine still tells a heavy import from none.
    def seconds() -> float:
        code = "import time; began = time.perf_counter(); import inlay; print(time.perf_counter() - began)"
        return float(run_python(code))

    began = time.monotonic()
    best = min(seconds() for _ in range(5))
    assert best < 0.3, (best, time.monotonic() - began)
