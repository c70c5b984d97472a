"""Ctrl-C, con.interrupt() and the end of the process: what runs stops soon, and nothing is left on standard error.

Signals and exits need processes of their own, so most tests here run a script and read what it printed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

import inlay
from inlay.backends.fake import CALLS

STOPS_WITHIN_S = 15.0  # of more than a minute; on a quiet machine each stops in one or two seconds

PRELUDE = """
import os, signal, sys, threading, time
import duckdb, inlay
from inlay.backends.fake import CALLS

# A shell that starts pytest in the background has its children ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Five row groups, so that four threads have work. One text in a thousand takes the fake model 0.2 s, so a statement
# over all of them would take more than a minute.
TEXTS = "CREATE TABLE texts AS SELECT concat('text ', i, if(i % 1000 = 0, ' <<slow>>', '')) AS s FROM range(500_000) r(i)"

def press_ctrl_c(when):
    def press():
        while not when():
            time.sleep(0.01)
        time.sleep(0.3)
        global pressed
        pressed = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=press, daemon=True).start()

def another_batch():
    before = CALLS["batches"]
    return lambda: CALLS["batches"] > before

def report(run):
    try:
        run()
        outcome = "finished"
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    print(f"{time.monotonic() - pressed:.1f}", outcome.splitlines()[0], flush=True)
"""


ATTACHED = "con = duckdb.connect(); inlay.attach(con, model='fake')\n"

Run = Callable[..., tuple[list[str], str]]


@pytest.fixture
def run_script(tmp_path: Path) -> Run:
    """run_script(body) → lines of standard output, and standard error, of a script after PRELUDE."""

    def run(body: str, *, code: int = 0) -> tuple[list[str], str]:
        # A file, because DuckDB takes `python -c` for a person at a terminal and draws progress bars.
        script = tmp_path / "script.py"
        script.write_text(PRELUDE + body, "utf-8")
        done = subprocess.run(
            [sys.executable, script],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
        assert done.returncode == code, done.stderr
        return done.stdout.splitlines(), done.stderr

    return run


def seconds_and_outcome(line: str) -> tuple[float, str]:
    seconds, _, outcome = line.partition(" ")
    return float(seconds), outcome


STATEMENTS = """
for statement in ("SELECT ai_embed(s) FROM texts", "CREATE TABLE vectors AS SELECT ai_embed(s) FROM texts"):
    press_ctrl_c(another_batch())
    run = con.sql if statement.startswith("SELECT") else con.execute
    report(lambda: run(statement).fetchall())
    print(con.execute("SELECT ai_classify('x', ['a', 'b'], model := 'fake-nli') IN ('a', 'b')").fetchall())
"""


@pytest.mark.parametrize("threads", [1, 4])
def test_ctrl_c_raises_keyboard_interrupt_and_leaves_a_usable_connection(run_script: Run, threads: int) -> None:
    lines, stderr = run_script(
        f"con = inlay.connect(model='fake'); con.execute('SET threads = {threads}'); con.execute(TEXTS)" + STATEMENTS
    )
    assert lines[1::2] == ["[(True,)]"] * 2
    for line in lines[::2]:
        seconds, outcome = seconds_and_outcome(line)
        assert outcome.startswith("KeyboardInterrupt")
        assert seconds < STOPS_WITHIN_S
    assert stderr == ""


@pytest.mark.parametrize("threads", [1, 4])
def test_ctrl_c_stops_a_plain_connection_with_an_error(run_script: Run, threads: int) -> None:
    lines, stderr = run_script(
        f"con = duckdb.connect(); inlay.attach(con, model='fake'); con.execute('SET threads = {threads}'); "
        "con.execute(TEXTS)" + STATEMENTS
    )
    assert lines[1::2] == ["[(True,)]"] * 2
    for line in lines[::2]:
        seconds, outcome = seconds_and_outcome(line)
        # Which one depends on whether the main thread was inside a function or waited for others that were.
        assert (outcome.startswith("InvalidInputException") and "interrupted" in outcome) or (
            outcome.startswith(("KeyboardInterrupt", "RuntimeError: Query interrupted", "InterruptException"))
        )
        assert seconds < STOPS_WITHIN_S
    assert stderr == ""


@pytest.mark.parametrize("threads", [1, 4])  # with several, DuckDB 2.0 by itself hears of it about two times in three
def test_ctrl_c_stops_sql_without_any_function_of_ours(run_script: Run, threads: int) -> None:
    lines, stderr = run_script(
        f"con = inlay.connect(model='fake'); con.execute('SET threads = {threads}'); press_ctrl_c(lambda: True)\n"
        "report(lambda: con.execute('SELECT sum(hash(i)) FROM range(1_000_000_000_000) r(i)').fetchall())"
    )
    seconds, outcome = seconds_and_outcome(lines[0])
    assert outcome.startswith("KeyboardInterrupt")
    assert seconds < STOPS_WITHIN_S
    assert stderr == ""


def test_ctrl_c_reaches_work_that_does_not_listen(run_script: Run) -> None:
    # Like a download or an import: nothing in there looks at the count of interrupts.
    lines, stderr = run_script(
        "from inlay.backends.fake import FakeBackend\n"
        "from inlay.engine import signals\n"
        "signals.GRACE_S = 0.5\n"
        "entered = []\n"
        "real = FakeBackend.tokenize\n"
        "FakeBackend.tokenize = lambda *a: (entered.append(1), time.sleep(60))\n"
        "con = inlay.connect(model='fake'); con.execute('SET threads = 1'); press_ctrl_c(lambda: entered)\n"
        "report(lambda: con.execute(\"SELECT ai_embed('x')\").fetchall())\n"
        "FakeBackend.tokenize = real\n"
        "print(con.execute(\"SELECT len(ai_embed('x'))\").fetchall())"
    )
    seconds, outcome = seconds_and_outcome(lines[0])
    assert outcome.startswith("KeyboardInterrupt")
    assert seconds < STOPS_WITHIN_S
    assert lines[1] == "[(8,)]"
    assert stderr == ""


def test_ctrl_c_inside_one_transaction_leaves_the_data_of_before(run_script: Run) -> None:
    lines, _ = run_script(
        "con = inlay.connect(model='fake'); con.execute(TEXTS); con.execute('CREATE TABLE kept AS SELECT 1 AS i')\n"
        "con.begin(); con.execute('INSERT INTO kept VALUES (2)'); press_ctrl_c(another_batch())\n"
        "report(lambda: con.execute('CREATE TABLE vectors AS SELECT ai_embed(s) FROM texts').fetchall())\n"
        "con.rollback(); print(con.execute('FROM kept').fetchall())\n"
        'print(con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall())'
    )
    assert seconds_and_outcome(lines[0])[1].startswith("KeyboardInterrupt")
    assert lines[1:] == ["[(1,)]", "[('kept',), ('texts',)]"]


def test_ctrl_c_at_any_moment_leaves_no_text_that_others_wait_for(run_script: Run) -> None:
    # Texts that one call computes are waited for by others; an interrupt must end that, wherever it strikes.
    lines, stderr = run_script(
        "import random\nrandom.seed(7)\ncon = inlay.connect(model='fake', memory_mb=1); interrupted = 0\n"
        "con.execute('SET threads = 2'); con.execute(\"CREATE TABLE t AS SELECT concat('t', i) s FROM range(20_000) r(i)\")\n"
        "def press():\n"
        "    time.sleep(random.uniform(0, 0.15)); os.kill(os.getpid(), signal.SIGINT)\n"
        "for _ in range(25):\n"
        "    try:\n"
        "        thread = threading.Thread(target=press); thread.start()\n"
        "        while True: con.execute('SELECT count(ai_embed(s)) FROM t').fetchall()\n"
        "    except KeyboardInterrupt:\n"
        "        interrupted += 1\n"
        "    thread.join()\n"
        "print(interrupted, con.execute('SELECT count(ai_embed(s)) FROM t').fetchall())"
    )
    assert lines == ["25 [(20000,)]"]
    assert stderr == ""


def test_a_handler_of_the_program_still_hears_of_ctrl_c(run_script: Run) -> None:
    lines, stderr = run_script(
        "signal.signal(signal.SIGINT, lambda *_: print('mine', flush=True))\n"
        "con = inlay.connect(model='fake'); os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, lambda *_: print('later', flush=True))\n"
        "con.execute('SELECT 1').fetchall(); os.kill(os.getpid(), signal.SIGINT)"
    )
    assert lines == ["mine", "later"]
    assert stderr == ""


def test_a_process_that_ignores_ctrl_c_goes_on_ignoring_it(run_script: Run) -> None:
    lines, _ = run_script(
        "signal.signal(signal.SIGINT, signal.SIG_IGN); con = inlay.connect(model='fake')\n"
        "press_ctrl_c(another_batch())\n"
        "con.execute(\"SELECT count(ai_embed(concat(i, '<<slow>>'))) FROM range(5) r(i)\").fetchall()\n"
        "print(con.execute('SELECT 1').fetchall(), signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    )
    assert lines == ["[(1,)] True"]


KERNEL = """
from jupyter_client.manager import start_new_kernel

kernel, client = start_new_kernel()

def run(cell, interrupt=False):
    def press():
        global pressed
        pressed = time.monotonic()
        kernel.interrupt_kernel()
    if interrupt:
        threading.Timer(1.0, press).start()
    said = []
    client.execute_interactive(
        cell, timeout=50, output_hook=lambda m: said.append(m["content"].get("text") or m["content"].get("ename") or "")
    )
    print(f"{time.monotonic() - pressed:.1f}" if interrupt else "-", "".join(said).strip(), flush=True)
"""


def test_interrupting_a_notebook_kernel_stops_a_cell_on_a_plain_connection(run_script: Run) -> None:
    # A kernel puts its own handler of SIGINT back before each cell, and one row group may leave the main thread idle,
    # so that no function of ours runs in it and puts ours back.
    pytest.importorskip("jupyter_client")
    texts = "con.execute('SET threads = 4'); con.execute(TEXTS.replace('500_000', '100_000')); print('made')"
    cells = [PRELUDE + ATTACHED + texts, "con.execute('CREATE TABLE u AS SELECT ai_embed(s) FROM texts').fetchall()"]
    lines, _ = run_script(
        f"{KERNEL}\nrun({cells[0]!r}); run({cells[1]!r}, interrupt=True)\n"
        'run("print(con.execute(\\"SELECT len(ai_embed(\'x\'))\\").fetchall())")\n'
        "kernel.shutdown_kernel(now=True)"
    )
    made, interrupted, usable = lines
    seconds, outcome = seconds_and_outcome(interrupted)
    assert outcome in ("RuntimeError", "InvalidInputException", "KeyboardInterrupt", "InterruptException")
    assert seconds < STOPS_WITHIN_S
    assert (made, usable) == ("- made", "- [(8,)]")


def test_interrupting_one_connection_leaves_the_others_alone() -> None:
    texts = "SELECT count(ai_embed(concat('{0} ', i, if(i % 500 = 0, ' <<slow>>', '')))) FROM range({1}) r(i)"
    ends: dict[str, tuple[float, object]] = {}
    with inlay.connect(model="fake") as con, con.cursor() as other:

        def run(name: str, connection: inlay.Connection, rows: int) -> None:
            try:
                end: object = connection.execute(texts.format(name, rows)).fetchall()
            except BaseException as error:
                end = error
            ends[name] = time.monotonic(), end

        before = CALLS["batches"]
        threads = [
            threading.Thread(target=run, args=("interrupted", con, 100_000)),
            threading.Thread(target=run, args=("left alone", other, 1_500)),
        ]
        for thread in threads:
            thread.start()
        while CALLS["batches"] == before:
            time.sleep(0.01)
        time.sleep(0.3)
        interrupted = time.monotonic()
        con.interrupt()
        for thread in threads:
            thread.join(30)
        at, error = ends["interrupted"]
        assert isinstance(error, duckdb.InterruptException)
        assert at - interrupted < STOPS_WITHIN_S
        assert ends["left alone"][1] == [(1_500,)]
        assert con.execute("SELECT ai_embed('x') IS NULL").fetchall() == [(False,)]


def test_interrupting_an_idle_connection_does_not_touch_its_next_statement() -> None:
    with inlay.connect(model="fake") as con:
        con.interrupt()
        assert con.execute("SELECT count(ai_embed(concat('t', i))) FROM range(5_000) r(i)").fetchall() == [(5_000,)]


QUERY = "SELECT ai_classify(s, ['a', 'b']) FROM (VALUES ('x'), ('y')) v(s)"

# What is still there when the interpreter ends.
ENDS = {
    "an open connection that was never used": ATTACHED,
    "a cursor whose connection is gone": f"""
def cursor():
    {ATTACHED}
    return con.cursor()
cur = cursor(); cur.execute(query).fetchall()
""",
    "everything else": f"""
import json
{ATTACHED}
con.execute(query).fetchall()
cursors = [con.cursor() for _ in range(3)]; cursors[0].execute(query).fetchall(); cursors[1].execute(query)
second = duckdb.connect(':memory:shared'); inlay.attach(second, model='fake'); third = duckdb.connect(':memory:shared')
third.execute(query).fetchall()
wrapped = inlay.connect(model='fake'); relation = wrapped.sql(query); relation.fetchall(); cur = wrapped.cursor()
inlay.attach(duckdb.default_connection(), model='fake'); duckdb.sql(query).fetchall()
json.held_by_another_module = con
class Holder: pass
holder = Holder(); holder.me = holder; holder.con = inlay.connect(model='fake')
try:
    con.execute("SELECT ai_classify('x', [])").fetchall()
except duckdb.Error as error:
    kept = error
detached = inlay.connect(model='fake'); detached.execute(query).fetchall(); inlay.detach(detached)
closed = inlay.connect(model='fake'); closed.close()
""",
}


@pytest.mark.parametrize("ends_with", ENDS)
def test_nothing_is_printed_when_the_process_ends_with(run_script: Run, ends_with: str) -> None:
    assert run_script(f'query = "{QUERY}"\n{ENDS[ends_with]}') == ([], "")


@pytest.mark.parametrize("opened", ["con = inlay.connect(model='fake')", ATTACHED.strip()])
def test_an_error_that_ends_the_process_prints_its_traceback_alone(run_script: Run, opened: str) -> None:
    _, stderr = run_script(f"{opened}\nconnections = [con.cursor(), con]\ncon.execute('SELECT nothing')", code=1)
    assert stderr.startswith("Traceback") and "BinderException" in stderr
    assert "leak" not in stderr


def test_ctrl_c_that_ends_the_process_prints_its_traceback_alone(run_script: Run) -> None:
    # The lane's thread is in the middle of a batch then.
    _, stderr = run_script(
        "con = inlay.connect(model='fake'); con.execute(TEXTS); press_ctrl_c(another_batch())\n"
        "con.execute('SELECT ai_embed(s) FROM texts').fetchall()",
        code=-2,
    )
    assert stderr.splitlines()[-1].startswith("KeyboardInterrupt")
    assert "leak" not in stderr and "Fatal" not in stderr


@pytest.mark.weights
def test_ctrl_c_amid_a_real_batch_ends_the_process_without_a_crash(run_script: Run) -> None:
    # The lane's threads come back from torch's C++ code while the interpreter is about to end.
    lines, stderr = run_script(
        "con = inlay.connect(device='cpu'); con.execute(TEXTS); con.execute(\"SELECT ai_embed('loads the model')\").fetchall()\n"
        "press_ctrl_c(lambda: True)\n"
        "report(lambda: con.execute('SELECT ai_embed(s) FROM texts').fetchall())"
    )
    seconds, outcome = seconds_and_outcome(lines[0])
    assert outcome.startswith("KeyboardInterrupt")
    assert seconds < STOPS_WITHIN_S
    assert stderr == ""


def test_a_query_in_a_daemon_thread_does_not_crash_the_end_of_the_process(run_script: Run) -> None:
    _, stderr = run_script(
        "con = inlay.connect(model='fake'); con.execute(TEXTS); cur = con.cursor(); began = another_batch()\n"
        "def run():\n"
        "    try:\n"
        "        cur.execute('SELECT ai_embed(s) FROM texts').fetchall()\n"
        "    except inlay.InlayError:\n"
        "        pass\n"
        "threading.Thread(target=run, daemon=True).start()\n"
        "while not began(): time.sleep(0.01)"
    )
    assert stderr == ""


def test_ctrl_c_is_heard_where_the_call_ends_in_another_error(run_script: Run) -> None:
    lines, _ = run_script(
        "from inlay.engine import signals\nfrom inlay.errors import InterruptedQueryError\n"
        "try:\n"
        "    with signals.inside(None, None):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        raise ValueError('it is to be done in another way')\n"
        "except InterruptedQueryError as error:\n"
        "    print(repr(error.__cause__))"
    )
    assert lines == ["ValueError('it is to be done in another way')"]
