"""The example notebook runs top to bottom with the real model, and is committed as it ran; %inlay in a real shell."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

import inlay
from inlay.backends.fake import SLOW
from inlay.client.connection import Connection
from inlay.explanation.report import Explanation
from support.paths import REPOSITORY
from support.tiny_models import TinyModels

pytest_plugins = ["support.tiny_models"]

PROJECT = REPOSITORY / "example_project"
NOTEBOOK = PROJECT / "notebooks" / "explore.ipynb"


def committed() -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return notebook


def outputs(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [output for cell in notebook["cells"] if cell["cell_type"] == "code" for output in cell["outputs"]]


def images(notebook: dict[str, Any]) -> list[str]:
    return [output["data"]["image/png"] for output in outputs(notebook) if "image/png" in output.get("data", {})]


def test_the_committed_notebook_has_outputs_in_order() -> None:
    cells = [cell for cell in committed()["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert [n for n, cell in enumerate(cells) if not cell["outputs"]] == []
    assert not [output for output in outputs(committed()) if output["output_type"] in ("error", "stream")]


def test_the_committed_notebook_is_small_and_names_no_machine() -> None:
    notebook = committed()
    assert len(images(notebook)) >= 2
    # Base64 has four characters for three bytes.
    assert sum(len(png) for png in images(notebook)) * 3 / 4 < 150_000
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"]
    for output in outputs(notebook):
        data = {kind: text for kind, text in output.get("data", {}).items() if kind != "image/png"}
        assert not [kind for kind in data if "widget" in kind]
        assert not re.search(r"/(work|home|Users|tmp|root)/|[A-Z]:\\\\", json.dumps(data))


Run = Callable[[Any, Path], None]


@pytest.fixture
def run_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a notebook in a kernel of its own, in a folder; raises at the first cell that fails."""
    from nbclient import NotebookClient

    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))

    def run(notebook: Any, folder: Path) -> None:
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()

    return run


def test_a_notebook_saved_afterwards_holds_what_was_done(
    run_notebook: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbformat.v4 import new_code_cell, new_notebook

    monkeypatch.setenv("INLAY_PROGRESS", "auto")
    setup = f"import inlay\ncon = inlay.connect(model='fake')\ntexts = [['{SLOW} ' + str(i % 8)] for i in range(80)]"
    cells = [setup, "con.execute('select ai_embed(t[1]) from (select unnest($1) as t)', [texts]).fetchall()[:0]"]
    notebook = new_notebook(cells=[new_code_cell(source) for source in cells])
    run_notebook(notebook, tmp_path)
    shown = [output for output in outputs(notebook) if output["output_type"] == "display_data"]
    (data,) = [output["data"] for output in shown]
    assert set(data) == {"text/plain", "text/html"}
    assert re.fullmatch(r"ai_embed fake: 80 of 80 rows in [\d.]+ s", data["text/plain"])
    assert data["text/html"] == f"<small>{data['text/plain']}</small>"
    assert "widgets" not in notebook["metadata"]


def test_a_model_is_loaded_in_a_notebook_without_a_word_of_widgets(
    run_notebook: Run, tmp_path: Path, tiny_models: TinyModels
) -> None:
    from nbformat.v4 import new_code_cell, new_notebook

    assert find_spec("ipywidgets") is None  # without which tqdm warns
    model = {"source": str(tiny_models.sentence("mpnet"))}
    connect = f"import inlay\ncon = inlay.connect(model='tiny', models={{'tiny': {model}}}, progress='off')"
    cells = [connect, "con.execute(\"select ai_embed('a')\").fetchall()[:0]", "import sys\n'tqdm.auto' in sys.modules"]
    notebook = new_notebook(cells=[new_code_cell(source) for source in cells])
    run_notebook(notebook, tmp_path)
    assert [output.get("text") or output["data"]["text/plain"] for output in outputs(notebook)] == ["[]", "True"]


@pytest.mark.weights
def test_the_notebook_runs_top_to_bottom(run_notebook: Run, tmp_path: Path) -> None:
    import nbformat

    folder = tmp_path / "example_project" / "notebooks"
    shutil.copytree(PROJECT / "seeds", tmp_path / "example_project" / "seeds")
    shutil.copytree(NOTEBOOK.parent, folder)
    notebook = nbformat.read(folder / NOTEBOOK.name, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    run_notebook(notebook, folder)

    assert len(images(notebook)) >= 2
    ledger = notebook.cells[-2].outputs[-1]["data"]["text/plain"]
    runs = [
        [int(number) for number in re.findall(r"\d+", line)] for line in ledger.splitlines() if "ai_classify" in line
    ]
    assert len(runs) == 2
    # statement, rows, distinct_inputs, known, inferred, failed, tokens
    (_, rows, distinct, known, inferred, failed, tokens), second = runs
    assert (known, inferred, failed) == (0, distinct, 0)
    assert tokens > 0
    assert second[1:] == [rows, distinct, distinct, 0, 0, 0]


# ------------------------------------------------------------------------------------------------ %inlay

Cell = Callable[[str], Any]


@pytest.fixture
def shell() -> Iterator[Any]:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        shell.run_line_magic("load_ext", "inlay")
        yield shell
    finally:
        InteractiveShell.clear_instance()


@pytest.fixture
def cell(shell: Any, con: Connection, capsys: pytest.CaptureFixture[str]) -> Cell:
    """Runs a cell beside a connection and a data frame; gives its value, raises its error."""
    con.execute("create table reviews as select i as id, 'review ' || i as body from range(5) r(i)")
    shell.push({"con": con, "result": pd.DataFrame({"body": ["a", "a", None]}), "wanted": 3})

    def run(text: str) -> Any:
        capsys.readouterr()
        ran = shell.run_cell(text)
        ran.raise_error()
        return ran.result

    return run


def test_a_cell_shows_rows_of_the_connection_attached_last(cell: Cell, calls: dict[str, int], shell: Any) -> None:
    shown = cell("%%inlay\nselect id, ai_embed(body) is null as missing\nfrom reviews order by id")
    assert shown.fetchall() == [(i, False) for i in range(5)]
    assert calls["rows"] == 5
    formatted, _ = shell.display_formatter.format(shown)
    assert "missing" in formatted["text/plain"] and "│" in formatted["text/plain"]
    assert cell("%inlay select max(id) from reviews").fetchall() == [(4,)]
    assert cell("x = %inlay select 42 as a\nx").fetchall() == [(42,)]


def test_showing_asks_for_what_is_shown(cell: Cell, shell: Any, calls: dict[str, int], con: Connection) -> None:
    con.execute("create table many as select 'text ' || i as body from range(11000) r(i)")
    formatted, _ = shell.display_formatter.format(cell("%inlay select ai_embed(body) as v from many;"))
    assert calls["rows"] == 21  # one more than is shown, to tell whether more exist
    assert formatted["text/plain"].rstrip().endswith("first 20 rows, more exist")
    assert formatted["text/html"].count("<tr>") == 21
    assert "first 20 rows, more exist" in formatted["text/html"]


def test_an_error_of_a_shown_relation_is_shown_once(shell: Any, con: Connection, capsys: Any) -> None:
    shell.push({"con": con})
    shell.run_cell("con.sql(\"select ai_embed(s),\\n  s::int from (values ('a')) t(s);\")")
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert text.count("Could not convert string 'a' to INT32") == 1
    if duckdb.__version__ >= "2":  # DuckDB 1 shows a text of its own in the errors of relations
        assert "LINE 2:   s::int from (values ('a')) t(s)" in text
    assert "_inlay" not in text


def test_a_planned_relation_is_planned_when_a_notebook_shows_it(cell: Cell, shell: Any, con: Connection) -> None:
    shell.display_formatter.format(con.sql("select ai_embed(body) as v from reviews where id > 2"))
    assert con.sql('select "rows", distinct_inputs from inlay_ledger()').fetchall() == [(2, 2)]


def test_variables_are_tables_and_parameters(cell: Cell) -> None:
    # IPython's own frames have a variable called result, and one called line
    assert cell("%inlay select body, ai_embed(body) is null from result").fetchall() == [
        ("a", False), ("a", False), (None, True),
    ]  # fmt: skip
    assert cell("%%inlay\nselect id, '$absent' from reviews where id = $wanted").fetchall() == [(3, "$absent")]
    assert cell("%inlay select {'a': id} as s, $$ $no $$ as t from reviews limit 1").fetchall() == [({"a": 0}, " $no ")]


def test_a_result_is_kept(cell: Cell, shell: Any, calls: dict[str, int]) -> None:
    assert cell("%%inlay topics <<\nselect ai_embed(body) is null as n from reviews") is None
    ran = dict(calls)
    assert ran["rows"] == 5
    shell.user_ns["topics"].fetchall()
    assert cell("%inlay select count(*) from topics").fetchall() == [(5,)]
    assert dict(calls) == ran
    assert cell("%%inlay con -o frame --df\nselect id from reviews order by id") is None
    assert list(shell.user_ns["frame"].id) == [0, 1, 2, 3, 4]
    assert list(cell("%inlay --df select id from reviews where id = 2").id) == [2]
    cell("%inlay total << select sum(id) as n from reviews")  # a type that Arrow has not
    assert [str(kind) for kind in shell.user_ns["total"].types] == ["HUGEINT"]
    assert shell.user_ns["total"].fetchall() == [(10,)]


def test_a_cell_explains(cell: Cell, shell: Any, calls: dict[str, int]) -> None:
    said = cell("%%inlay --explain\nselect ai_embed(body) from reviews where id < $wanted")
    assert isinstance(said, Explanation)
    assert said.stages[0].expected is not None and said.stages[0].expected.rows == 3
    assert not calls
    formatted, _ = shell.display_formatter.format(said)
    assert formatted["text/plain"].startswith("Planned: 1 call")
    assert "<details" in formatted["text/html"]
    assert cell("%inlay con --analyze select ai_embed(body) from reviews").ran
    in_sql, _ = shell.display_formatter.format(cell("%inlay explain select ai_embed(body) from reviews"))
    assert in_sql["text/plain"].startswith("Planned: 1 call")
    assert "<details" in in_sql["text/html"]


def test_a_named_connection_and_the_last_attached_one(cell: Cell, shell: Any) -> None:
    with inlay.connect(model="fake") as other, inlay.connect(model="fake") as closed:
        closed.close()
        shell.push({"other": other, "closed": closed})
        other.execute("create table elsewhere as select 1 as a")
        assert cell("%inlay from elsewhere").fetchall() == [(1,)]
        assert cell("%inlay con select count(*) from reviews").fetchall() == [(5,)]
        assert cell("%%inlay con\nselect count(*) from reviews").fetchall() == [(5,)]


def test_statements_without_rows_and_several_at_once(cell: Cell, con: Connection) -> None:
    assert cell("%inlay create table t as select ai_embed(body) as v from reviews") is None
    assert cell("%inlay drop table t") is None
    assert cell("%%inlay\ncreate table u as select 1 as a; select ai_embed('x') is null as n, a from u").fetchall() == [
        (False, 1)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("%%inlay conn\nselect 1", "%%inlay: conn is no DuckDB connection. Connections here: con."),
        ("%inlay --explian select 1", "%inlay: no option --explian. Known: -o name, --explain, --analyze, --df."),
        ("%inlay", "%inlay: there is no SQL."),
        ("%%inlay\n ", "%%inlay: there is no SQL."),
        ("%inlay -o", "%inlay: -o takes the name of a variable, not ''"),
        ("%inlay 1a << select 1", "%inlay: -o takes the name of a variable, not '1a'"),
        ("%inlay select $absent", "%inlay: the SQL has $absent, and there is no variable called absent."),
        ("%inlay t << create table t (a int)", "%inlay: this statement gives no rows to keep as t."),
        ("%inlay select ai_embed(nope) from reviews", 'Referenced column "nope" not found'),
        ("%inlay select ai_classify(body, []) from reviews", "ai_classify: labels is empty. Give the choices"),
    ],
)
def test_mistakes_are_told(cell: Cell, text: str, message: str) -> None:
    with pytest.raises(Exception, match=re.escape(message)) as told:
        cell(text)
    # a short way from the cell to the message
    package = Path(inlay.__file__).parent
    assert len([entry for entry in told.traceback if package in Path(entry.path).parents]) < 5


def test_without_a_connection_it_says_what_to_type(shell: Any) -> None:
    with pytest.raises(Exception, match=r"Type first: con = inlay.connect\(\)"):
        shell.run_line_magic("inlay", "select 1")


def test_help_and_unloading(cell: Cell, shell: Any) -> None:
    assert "name <<" in shell.find_line_magic("inlay").__doc__
    shell.run_line_magic("unload_ext", "inlay")
    assert shell.find_line_magic("inlay") is None
    shell.run_line_magic("load_ext", "inlay")
    assert shell.find_cell_magic("inlay") is not None
