"""Answers are the same in a forked and in a spawned process, in threads and in asyncio; nothing waits without end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inlay.engine import forking
from inlay.errors import ForkedProcessError
from inlay.models.describe import describe
from inlay.settings.schema import ModelSettings
from support.tiny_models import TinyModels

pytest_plugins = ("support.tiny_models",)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

SCRIPT = """
import asyncio, logging, multiprocessing, os, signal, sys, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
import duckdb, inlay

SOURCE = sys.argv[1]
SQL = "SELECT ai_classify(concat('text ', i), ['a', 'b']), round(ai_embed(concat('text ', i))[1], 4) FROM range(40) r(i)"

def connected():
    return inlay.connect(models={"small": {"source": SOURCE}}, model="small", device="cpu", dtype="float32")

def ask(_=None):
    with connected() as con:
        return con.execute(SQL).fetchall()

async def several():
    return await asyncio.gather(*(asyncio.to_thread(ask) for _ in range(3)))

def report_from_child(what):
    print(end="", flush=True)
    if (pid := os.fork()) == 0:
        signal.alarm(60)
        try:
            said = what()
        except inlay.InlayError as error:
            said = type(error).__name__
        print(said, flush=True)
        os._exit(0)
    return os.waitpid(pid, 0)[1]

if __name__ == "__main__":
    con = connected()
    con.execute("SET threads = 4")
    truth = con.execute(SQL).fetchall()
    plain = duckdb.connect()
    inlay.attach(plain, models={"small": {"source": SOURCE}}, model="small", device="cpu", dtype="float32")
    plain.execute("SELECT ai_embed('x')").fetchall()
    # What a thread of the parent's has begun when it forks is not there in the child.
    busy = threading.Thread(target=lambda: con.cursor().execute(
        "SELECT ai_embed(concat('busy ', i)) FROM range(5_000) r(i)").fetchall())
    busy.start()
    for method in ("fork", "spawn"):
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
            print(method, all(answers == truth for answers in pool.map(ask, range(3), timeout=120)))
    with ThreadPoolExecutor(3) as pool:
        print("threads", all(answers == truth for answers in pool.map(ask, range(3))))
    print("asyncio", all(answers == truth for answers in asyncio.run(several())))
    print(report_from_child(lambda: plain.execute("SELECT len(ai_embed('new')) > 0").fetchall()))
    print(report_from_child(lambda: con.execute(SQL)))
    print(report_from_child(lambda: con.sql("SELECT 1")))
    busy.join()
    print(con.execute(SQL).fetchall() == truth)
    if os.fork() == 0:
        sys.exit(0)  # with the parent's connections still open
    print(os.wait()[1])
"""


@pytest.mark.parametrize("model", ["fake", "torch"])
def test_every_way_to_run_beside_gives_the_same_answers(tmp_path: Path, tiny_models: TinyModels, model: str) -> None:
    source = "fake:embed" if model == "fake" else str(tiny_models.sentence())
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    # From Python 3.12 on os.fork() warns wherever there is another thread.
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "script.py", source],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == [
        "fork True", "spawn True", "threads True", "asyncio True",
        "[(True,)]", "0", "ForkedProcessError", "0", "ForkedProcessError", "0", "True", "0",
    ]  # fmt: skip
    warned = ("forked", "nanobind", "To disable this warning")
    for line in done.stderr.splitlines():
        assert any(said in line for said in warned) or line.startswith((" - ", "\t- ", "See https")), line


def test_cuda_in_a_forked_process_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tiny_models: TinyModels) -> None:
    monkeypatch.setattr(forking, "_torch_before", True)
    monkeypatch.setattr(forking, "_cuda_before", True)
    entry = ModelSettings("small", str(tiny_models.sentence()))
    with pytest.raises(ForkedProcessError, match="spawn"):
        forking.prepare(describe(entry, device="auto", dtype="auto"))
    forking.prepare(describe(ModelSettings("fake", "fake:embed"), device="auto", dtype="auto"))


IMPORTS = """
import os, signal, sys, threading
import inlay.engine.forking
began = threading.Event()
sys.modules["began"] = began
thread = threading.Thread(target=lambda: __import__("slow_to_import"))
thread.start()
began.wait(30)
if os.fork() == 0:
    signal.alarm(20)
    print(__import__("slow_to_import").ready, flush=True)
    os._exit(0)
print(os.wait()[1])
"""


def test_a_fork_waits_for_what_another_thread_imports(tmp_path: Path) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        "import began, time\nbegan.set()\ntime.sleep(1)\nready = True\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["True", "0"], done.stderr
