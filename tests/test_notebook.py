"""The example notebook runs top to bottom with the real model, and is committed as it ran."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[1] / "example_project"
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


@pytest.mark.weights
def test_the_notebook_runs_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))

    folder = tmp_path / "example_project" / "notebooks"
    shutil.copytree(PROJECT / "seeds", tmp_path / "example_project" / "seeds")
    shutil.copytree(NOTEBOOK.parent, folder)
    notebook = nbformat.read(folder / NOTEBOOK.name, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # Raises at the first cell that fails.
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()

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
