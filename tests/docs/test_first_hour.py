"""docs/first_hour.md: typed from an empty folder, it prints what the page says, in as few steps as are promised."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.markdown_blocks import Block, blocks_of
from support.paths import REPOSITORY

PAGE = REPOSITORY / "docs" / "first_hour.md"
BLOCKS = blocks_of(PAGE)

# The project that exists before: what the page's diffs show as unchanged stands in the profile.
BEFORE = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nflags: {send_anonymous_usage_stats: false}\n",
    "seeds/raw_tickets.csv": 'ticket_id,body\n1,Where is my parcel?\n2,I want my money back.\n3,"Thank you, it is lovely!"\n4,\n',
    "models/tickets.sql": "select ticket_id, body from {{ ref('raw_tickets') }}\n",
}


def added(block: Block) -> list[str]:
    return [line[1:] for line in block.text.splitlines() if line.startswith("+")]


def commands(block: Block) -> list[str]:
    return block.text.splitlines()


def test_the_steps_are_as_few_as_promised() -> None:
    diffs = [block for block in BLOCKS if block.language == "diff"]
    shells = [block for block in BLOCKS if block.language == "sh"]
    assert sum(len(added(block)) for block in diffs) <= 12
    assert 1 + sum(len(commands(block)) for block in shells) <= 8  # one for pip install
    assert len([block for block in BLOCKS if block.language == "python"]) <= 3


@pytest.mark.weights
def test_a_dbt_project_gets_its_column(tmp_path: Path) -> None:
    for name, text in BEFORE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INLAY_")}
    environment |= {"HF_HUB_OFFLINE": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "NO_COLOR": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    setup = ""
    for block, following in zip(BLOCKS, [*BLOCKS[1:], None], strict=True):
        if block.language == "diff":
            lines = [line[1:] for line in block.text.splitlines() if line[:1] in "+ "]
            (tmp_path / block.title).write_text("\n".join(lines) + "\n", "utf-8")
        elif block.language == "sh":
            script = f"set -e\n{setup}{block.text}"
            ran = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            setup += "".join(f"{line}\n" for line in commands(block) if line.startswith("export "))
            if following is not None and following.language == "":
                said = ran.stdout + ran.stderr  # among dbt's own log
                assert not [line for line in following.text.splitlines() if line not in said], said


@pytest.mark.weights
def test_a_notebook_gets_its_column_in_three_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell()
    cells = [block for block in BLOCKS if block.language == "python"]
    for cell in cells:
        with capture_output() as printed:
            ran = shell.run_cell(cell.text)
        ran.raise_error()
        following = BLOCKS[BLOCKS.index(cell) + 1] if cell is not BLOCKS[-1] else None
        if following is not None and following.language == "":
            said = re.sub(r"^Out\[\d+\]: ?", "", printed.stdout or repr(ran.result)).strip()
            assert following.text.strip() in f"{said}\n{ran.result!r}", said
