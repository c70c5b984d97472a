"""Runs the notebooks of this folder, or those that are named, and keeps what they print and draw."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def run(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=1200, record_timing=False, coalesce_streams=True, resources=where).execute()
    nbformat.write(notebook, path)


if __name__ == "__main__":
    # As in an activated environment: cells type `inlay` and `dbt`.
    os.environ |= {"NO_COLOR": "1", "TERM": "dumb", "DBT_USE_COLORS": "false"}
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for name in sys.argv[1:] or sorted(path.name for path in HERE.glob("*.ipynb")):
        sys.stderr.write(f"{name}\n")
        run(HERE / name)
