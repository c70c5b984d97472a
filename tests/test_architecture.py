"""The rooms of the design: who may import whom, and what an import may cost."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import REPOSITORY

PACKAGE = REPOSITORY / "adapter" / "inlay"


def floors() -> list[set[str]]:
    """The table under "Rooms" in docs/design.md, a set of rooms for each line."""
    section = (REPOSITORY / "docs" / "design.md").read_text("utf-8").split("## Rooms")[1].split("\n## ")[0]
    lines = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [set(re.findall(r"`(\w+)`", cell)) for cell in lines]


FLOORS = floors()
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
def test_imports_only_from_floors_above(path: Path) -> None:
    if room(path) == "__init__":
        return
    here = floor(room(path))
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "inlay" and len(parts) > 1 and parts[1] != room(path):
            assert floor(parts[1]) < here, f"{path} imports {name}, which is not on a floor above"


def test_every_room_has_its_floor_once() -> None:
    rooms = {room(path) for path in MODULES} - {"__init__"}
    assert sorted(name for names in FLOORS for name in names) == sorted(rooms)


def test_modules_of_our_own_are_imported_by_string_in_the_registry_alone() -> None:
    """And in the package's __init__. Elsewhere the test of floors would not see them."""
    for path in MODULES:
        if path.relative_to(PACKAGE).as_posix() in ("__init__.py", "functions/registry.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                assert called not in ("import_module", "__import__"), path


def modules_imported(path: Path, names: dict[str, Path]) -> set[str]:
    """Of our own, inside functions too; not those that only annotate."""
    found: set[str] = set()
    left: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        left += ast.iter_child_nodes(node)
    return found & set(names)


def test_no_module_imports_itself_through_others() -> None:
    names = {".".join(("inlay", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in MODULES}
    imports = {name: modules_imported(path, names) for name, path in names.items()}
    # What imports nothing that is left is taken away; a circle stays.
    while free := [name for name, others in imports.items() if not others & set(imports)]:
        for name in free:
            del imports[name]
    assert not imports


def test_files_and_classes_are_short() -> None:
    too_long = []
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
        lengths = [(node.name, (node.end_lineno or 0) - node.lineno + 1, 250) for node in classes]
        lengths.append(("the file", text.count("\n"), 400))
        too_long += [f"{path}: {name} has {n} lines" for name, n, most in lengths if n > most]
    assert not too_long


COMPARES_KINDS = ("models/", "backends/load.py")


def decides_by(node: ast.AST) -> list[ast.expr]:
    """What a comparison, a match, a look-up or a .get() decides by; the parts of a tuple each for itself."""
    match node:
        case ast.Compare(left=left, comparators=others):
            values = [left, *others]
        case ast.Match(subject=value) | ast.Subscript(slice=value):
            values = [value]
        case ast.Call(func=ast.Attribute(attr="get"), args=[value, *_]):
            values = [value]
        case _:
            return []
    return [part for value in values for part in (value.elts if isinstance(value, ast.Tuple | ast.List) else [value])]


def compared_kinds(code: str) -> list[str]:
    return [
        ast.unparse(value)
        for node in ast.walk(ast.parse(code))
        for value in decides_by(node)
        if isinstance(value, ast.Attribute) and value.attr in ("task", "backend")
    ]


def test_a_model_is_asked_what_it_can_do_and_not_what_kind_it_is() -> None:
    for path in MODULES:
        if not path.relative_to(PACKAGE).as_posix().startswith(COMPARES_KINDS):
            assert not compared_kinds(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    "code",
    [
        "ref.task == 'embed'", "'vllm' != call.model.backend", "ref.task in ('embed', 'nli')", "(ref.task, 1) == known",
        "COSTS[ref.task]", "COSTS.get(ref.task, 1)", "match ref.task:\n    case 'embed': pass",
    ],
)  # fmt: skip
def test_each_way_to_compare_kinds_is_seen(code: str) -> None:
    assert len(compared_kinds(code)) == 1
    assert not compared_kinds("print(ref.task, lane.backend.workers > 1, {'task': ref.task})")


def test_engine_knows_no_sql_and_backends_no_duckdb() -> None:
    for path in MODULES:
        if room(path) in {"engine", "backends", "functions", "store", "models"}:
            assert not any(name.split(".")[0] in {"duckdb", "sqlglot"} for name in imported(path)), path


def test_the_planner_knows_statements_alone() -> None:
    for path in MODULES:
        if room(path) in ("parsing", "planner"):
            ours = {name for name in imported(path) if name.split(".")[0] == "inlay"}
            allowed = ("inlay.planner", "inlay.parsing", "inlay.functions.spec", "inlay.types")
            assert all(name.startswith(allowed) for name in ours), path


def test_torch_is_imported_by_its_backend_alone() -> None:
    for path in MODULES:
        if {name.split(".")[0] for name in imported(path)} & HEAVY:
            assert room(path) == "backends" or path.name == "doctor.py", path


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'dbt', 'ray', 'pyarrow', 'duckdb', 'numpy', 'sqlglot'}"
    assert run_python(f"import sys, inlay; print(sorted({heavy} & set(sys.modules)))").strip() == "[]"


def test_a_connection_that_calls_nothing_has_no_parser_no_arrow_and_no_engine() -> None:
    code = (
        "import sys, duckdb, inlay\n"
        "con = duckdb.connect(); inlay.attach(con, model='fake'); con.sql('select 1').fetchall()\n"
        "with inlay.connect(model='fake') as other: other.sql('select 1').fetchall()\n"
        "print(sorted({'sqlglot', 'jsonschema', 'rich', 'torch', 'pandas', 'pyarrow', 'inlay.engine.resolve'} & set(sys.modules)))"
    )
    assert run_python(code).strip() == "[]"


def test_answers_of_the_fake_model_need_no_torch() -> None:
    code = (
        "import sys, inlay\n"
        "with inlay.connect(model='fake') as con: con.execute(\"select ai_classify('x', ['a', 'b'])\").fetchall()\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    assert run_python(code).strip() == "[]"


def test_import_is_quick() -> None:
    # Not a benchmark: the promise is 0.3 s of CPU and the import takes some milliseconds; the best of five tells a
    # heavy import from none.
    def seconds() -> float:
        code = "import time; began = time.process_time(); import inlay; print(time.process_time() - began)"
        return float(run_python(code))

    assert min(seconds() for _ in range(5)) < 0.3
