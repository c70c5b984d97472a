"""The wheel: what it installs, and that it works away from the repository."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.paths import REPOSITORY


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # hatchling is here already; an isolated build would fetch it again.
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def test_only_inlay_at_top_level_and_every_definition_inside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"inlay"}
    for folder, inside in (("udfs", "inlay/_udfs"), ("macros", "inlay/_dbt")):
        expected = {
            f"{inside}/{path.relative_to(REPOSITORY / folder)}"
            for path in (REPOSITORY / folder).rglob("*")
            if path.is_file()
        }
        assert expected <= set(names)
    assert "inlay/py.typed" in names


def test_it_answers_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    code = (
        "import inlay, inlay.functions.definitions as d\n"
        "from inlay.cli import main\n"
        "print(inlay.__file__, d.shipped_folder())\n"
        "main(['dbt-path'])\n"
        "with inlay.connect(model='fake') as con: print(con.sql(\"select ai_classify('x', ['a'])\").fetchall())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        f"{site}/inlay/__init__.py {site}/inlay/_udfs",
        f"{site}/inlay/_dbt",
        "[('a',)]",
    ]
