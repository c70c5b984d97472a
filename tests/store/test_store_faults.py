"""The result store when something goes wrong: no fault gives a wrong answer, and none costs more than it destroyed.

Faults are done to the files themselves, or to processes of their own. The model is fake, so the truth is known.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import inlay
from inlay.arrays import vector_array
from inlay.backends.fake import CALLS
from inlay.client.connection import Connection
from inlay.errors import ConfigError
from inlay.execution.gathering import GATHER_ROWS
from inlay.functions.classify import EMBED_TEMPLATES
from inlay.functions.possible_answers import are_answers
from inlay.store import open_parts, part_writer
from inlay.store.care.verify import check_part
from inlay.store.folder import open_folder
from inlay.store.keys import input_keys, key_column
from inlay.store.part_writer import write_part
from inlay.store.parts import KEY, DamagedPart
from inlay.store.result_set import QUARANTINE, ResultSet

VALUES = pa.schema([("value", pa.string())])


TEXTS = [f"text {i}" for i in range(300)]
CALL = "{'kind': try_ai_classify(a, ['bug', 'praise']), 'vector': ai_embed(a)}"
RESULT_SETS = ("ai_classify-*", "vectors-*")

Opened = Callable[..., Connection]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens a new session, which remembers nothing but what the store holds."""
    made: list[Connection] = []

    def connect(**options: Any) -> Connection:
        con = inlay.connect(**{"model": "fake", "store": tmp_path / "store", **options})
        made.append(con)
        return con

    yield connect
    for con in made:
        con.duckdb.close()


def ask(con: Connection, texts: Sequence[str] = TEXTS, call: str = CALL) -> list[Any]:
    con.register("given", pa.table({"i": range(len(texts)), "a": pa.array(texts, pa.string())}))
    try:
        return [value for (value,) in con.execute(f"select {call} from given order by i").fetchall()]
    finally:
        con.unregister("given")


def said(answers: list[Any]) -> list[Any]:
    """Answers without what tells whether they were stored. Scores stay: a store keeps every bit."""
    return [{**answer, "kind": {**answer["kind"], "cached": None}} for answer in answers]


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A store in which TEXTS are known, to be copied, and the true answers."""
    folder = tmp_path_factory.mktemp("full") / "store"
    with inlay.connect(model="fake", store=folder) as con:
        return folder, said(ask(con))


@pytest.fixture
def store(tmp_path: Path, full: tuple[Path, list[Any]]) -> Path:
    return Path(shutil.copytree(full[0], tmp_path / "store"))


@pytest.fixture
def truth(full: tuple[Path, list[Any]]) -> list[Any]:
    return full[1]


def parts_in(folder: Path, result_set: str = "*") -> list[Path]:
    return sorted(folder.glob(f"results/{result_set}/*.parquet"))


def biggest_part(folder: Path, result_set: str) -> Path:
    """The one with the rows: a result set also has a part without any, so that SQL always finds a file."""
    return max(parts_in(folder, result_set), key=lambda path: path.stat().st_size)


def quarantined(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f"results/*/{QUARANTINE}/*"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def everything_is_known(con: Connection, truth: list[Any]) -> bool:
    CALLS.clear()
    answers = ask(con)
    return said(answers) == truth and all(answer["kind"]["cached"] for answer in answers) and CALLS["rows"] == 0


# -- damaged files


@pytest.mark.parametrize("result_set", RESULT_SETS)
@pytest.mark.parametrize("left", ["nothing", "half", "all but one byte"])
def test_a_truncated_part_is_set_aside_and_made_again(
    opened: Opened, store: Path, truth: list[Any], result_set: str, left: str
) -> None:
    part = biggest_part(store, result_set)
    content = part.read_bytes()
    part.write_bytes(content[: {"nothing": 0, "half": len(content) // 2, "all but one byte": len(content) - 1}[left]])
    assert said(ask(opened())) == truth
    assert (
        quarantined(store) == [part.name] or result_set == "vectors-*"
    )  # answers hide the vectors, but for ai_embed's
    assert everything_is_known(opened(), truth)


@pytest.mark.parametrize("result_set", RESULT_SETS)
@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_byte_never_gives_a_wrong_answer(
    opened: Opened, store: Path, truth: list[Any], result_set: str, seed: int
) -> None:
    rng = random.Random(f"{result_set} {seed}")
    part = biggest_part(store, result_set)
    content = bytearray(part.read_bytes())
    # Most of a part is plain data; half of the flips go where the file describes itself.
    at = rng.randrange(len(content)) if seed % 2 else len(content) - 1 - rng.randrange(2_500)
    content[at] ^= rng.randrange(1, 256)
    part.write_bytes(content)
    assert said(ask(opened())) == truth, f"byte {at} of {len(content)}"
    assert quarantined(store) in ([], [part.name])
    assert everything_is_known(opened(), truth)


def small_tables() -> dict[str, pa.Table]:
    rng = np.random.default_rng(0)
    scores = [[("bug", 0.1 * i), ("praise", 0.5)] for i in range(5)]
    return {
        "vectors": pa.table({"value": vector_array(rng.random((5, 8), dtype=np.float32))}),
        "answers": pa.table(
            {
                "value": ["bug", "praise", "bug", "noise", "praise"],
                "confidence": rng.random(5),
                "scores": pa.array(scores, pa.map_(pa.string(), pa.float64())),
            }
        ),
    }


@pytest.mark.parametrize("kind", ["vectors", "answers"])
@pytest.mark.parametrize("flip", [0x01, 0x06, 0x12, 0x40])  # 0x06 and 0x12 turn one encoding of Parquet into another
@pytest.mark.parametrize("large", [False, True], ids=["", "large"])
def test_no_flip_of_any_byte_of_a_part_gives_a_wrong_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, flip: int, large: bool
) -> None:
    if large:  # looked through before any key is kept
        monkeypatch.setattr(open_parts, "_GLANCE_ROWS", 0)
    table = small_tables()[kind]
    keys = input_keys([[f"text {i}" for i in range(5)]])
    folder = open_folder(str(tmp_path))
    result_set = ResultSet(folder, "5" * 64, {}, {}, writable=True)
    result_set.publish(keys, table)
    (part,) = tmp_path.glob("*.parquet")
    whole = part.read_bytes()
    rows = table.to_pylist()
    found = 0
    for at in range(len(whole)):
        part.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
        reader = ResultSet(folder, "5" * 64, {}, {})
        reader.refresh()
        positions, known = reader.find(keys, table.schema)
        if known is not None:
            found += 1
            assert known.to_pylist() == [rows[i] for i in positions], f"byte {at} of {len(whole)}"
        else:
            assert reader.damaged, f"byte {at} of {len(whole)}"
    assert found < len(whole) // 10


def test_a_part_of_another_signature_is_set_aside(opened: Opened, store: Path, truth: list[Any]) -> None:
    other = {"models": {"fake": {"source": "fake:embed", "backend": "fake", "max_tokens": 3}}}
    ask(opened(**other))
    moved = []
    for result_set in RESULT_SETS:
        # Each model's results come to stand on the other's result set, and its own are gone.
        one, two = (biggest_part(store, path.name) for path in store.glob(f"results/{result_set}"))
        one.rename(two.parent / one.name)
        two.rename(one.parent / two.name)
        moved += [one.name, two.name]
    assert said(ask(opened())) == truth
    assert len(set(quarantined(store))) == len(RESULT_SETS)
    assert set(quarantined(store)) < set(moved)
    for path in store.glob(f"results/*/{QUARANTINE}/*"):
        assert path.parent.parent.name not in (part.parent.name for part in store.rglob(path.name) if part != path)
    assert everything_is_known(opened(), truth)


def test_a_stray_temporary_file_is_no_part(opened: Opened, store: Path, truth: list[Any]) -> None:
    for part in parts_in(store):
        (part.parent / ".tmp-0123456789abcdef").write_bytes(part.read_bytes()[:100])
        (part.parent / ".tmp-0123456789abcdef.parquet").write_bytes(b"")
        (part.parent / "notes.txt").write_text("not ours")
    before = contents(store)
    con = opened()
    assert everything_is_known(con, truth)
    assert {name for name in contents(store) if not name.startswith("ledger/")} == {
        name for name in before if not name.startswith("ledger/")
    }


def test_a_damaged_manifest_stops_nobody(opened: Opened, store: Path, truth: list[Any]) -> None:
    for manifest in store.glob("results/*/manifest.json"):
        manifest.write_text('{"form":')
    assert said(ask(opened())) == truth
    assert everything_is_known(opened(), truth)


def test_read_only_leaves_a_damaged_part_where_it_is(opened: Opened, store: Path, truth: list[Any]) -> None:
    for part in parts_in(store):
        part.write_bytes(part.read_bytes()[:-1])
    before = contents(store)
    con = opened(store_mode="read-only")
    for _ in range(2):
        assert said(ask(con)) == truth
    assert contents(store) == before


# -- files that go while a process runs


@pytest.mark.parametrize("gone", ["parts", "result sets"])
def test_what_is_deleted_between_statements_is_made_again(
    opened: Opened, store: Path, truth: list[Any], gone: str
) -> None:
    con = opened()
    # The index of every result set is loaded, and some of the rows are read.
    assert said(ask(con, TEXTS[:3])) == truth[:3]
    if gone == "parts":
        for part in parts_in(store):
            part.unlink()
    else:
        shutil.rmtree(store / "results")
    assert said(ask(con)) == truth
    assert said(ask(con)) == truth
    con.duckdb.close()
    assert said(ask(opened())) == truth


@pytest.mark.parametrize("large", [False, True], ids=["", "large"])
def test_a_part_that_goes_after_it_was_found_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    if large:
        monkeypatch.setattr(open_parts, "_GLANCE_ROWS", 0)
    texts = [f"text {i}" for i in range(60)]
    keys = input_keys([texts])
    writer = ResultSet(open_folder(str(tmp_path)), "5" * 64, {}, {}, writable=True)
    for start in range(0, 60, 20):
        writer.publish(keys[start : start + 20], pa.table({"value": texts[start : start + 20]}))
    reader = ResultSet(open_folder(str(tmp_path)), "5" * 64, {}, {})
    reader.refresh(1)
    assert len(reader) == 60
    first = sorted(tmp_path.glob("*.parquet"))[0]
    lost = set(pq.read_table(first)["value"].to_pylist())
    first.unlink()
    for statement in (1, 1, 2):
        reader.refresh(statement)
        positions, table = reader.find(keys, VALUES)
        assert table is not None
        values = dict(zip(positions.tolist(), table["value"].to_pylist(), strict=True))
        assert all(texts[i] == value for i, value in values.items())
        assert not lost & set(values.values())
    assert len(values) == 40


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["x" * 150_000] * 4_096),  # 600 MB out of a dictionary of one value
        pa.array([f"{i:05}" * 20_000 for i in range(4_096)]),  # 400 MB out of pages of 80 KB
        pa.array([[True] * 1_000_000] * 64, pa.list_(pa.bool_())),  # 64 million values out of runs
    ],
    ids=["dictionary", "pages", "runs"],
)
def test_a_small_part_cannot_become_large_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: pa.Array
) -> None:
    monkeypatch.setattr(part_writer, "_GROUP_BYTES", 10**12)
    folder = open_folder(str(tmp_path))
    keys = key_column(input_keys([[str(i) for i in range(len(values))]]))
    table = pa.table([keys, values], schema=pa.schema([KEY, ("value", values.type)]))
    name = write_part(folder, table, "0" * 64)
    assert folder.info(name).size < 500_000
    result_set = ResultSet(folder, "0" * 64, {}, {})
    with pytest.raises(DamagedPart, match="very large unpacked"), folder.open(name) as source:
        check_part(source, name, f"ai_complete-{'0' * 32}", None, are_answers)
    result_set.refresh()
    assert result_set.find(input_keys([["0"]]), pa.schema([("value", values.type)]))[1] is None
    assert "very large unpacked" in result_set.damaged[name]


def test_long_texts_that_are_alike_are_read(tmp_path: Path) -> None:
    """What is packed well but is no more than a writer puts into a row group."""
    folder = open_folder(str(tmp_path))
    values = pa.array(["x" * 20_000] * 2_000 + ["y" * 200_000] * 300)
    keys = input_keys([[str(i) for i in range(len(values))]])
    write_part(folder, pa.table([key_column(keys), values], schema=pa.schema([KEY, ("value", pa.string())])), "0" * 64)
    result_set = ResultSet(folder, "0" * 64, {}, {})
    result_set.refresh()
    _, table = result_set.find(keys, VALUES)
    assert table is not None and table["value"].combine_chunks().equals(values)


def test_many_damaged_parts_cost_their_own_rows_alone(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(100)]
    keys = input_keys([texts])
    folder = open_folder(str(tmp_path))
    writer = ResultSet(folder, "5" * 64, {}, {}, writable=True)
    for start in range(0, 100, 10):
        writer.publish(keys[start : start + 10], pa.table({"value": texts[start : start + 10]}), known_here=False)
    damaged = sorted(tmp_path.glob("*.parquet"))[::2]
    lost = {value for path in damaged for value in pq.read_table(path)["value"].to_pylist()}
    writer.refresh(1)
    for path in damaged:  # after the index was read, in the values and not in the keys
        content = bytearray(path.read_bytes())
        content[400] ^= 1
        path.write_bytes(content)
    positions, table = writer.find(keys, VALUES)
    assert table is not None
    found = dict(zip(positions.tolist(), table["value"].to_pylist(), strict=True))
    assert found == {i: text for i, text in enumerate(texts) if text not in lost}
    assert set(writer.damaged) == {path.name for path in damaged}


@pytest.mark.parametrize("large", [False, True], ids=["", "large"])
def test_rows_that_moved_into_another_part_are_found_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """What a compaction does while another process reads: one part comes for several, and then those go."""
    if large:
        monkeypatch.setattr(open_parts, "_GLANCE_ROWS", 0)
    texts = [f"text {i}" for i in range(60)]
    keys = input_keys([texts])
    folder = open_folder(str(tmp_path))
    writer = ResultSet(folder, "5" * 64, {}, {}, writable=True)
    for start in range(0, 60, 20):
        writer.publish(keys[start : start + 20], pa.table({"value": texts[start : start + 20]}))
    old = sorted(tmp_path.glob("*.parquet"))
    reader = ResultSet(folder, "5" * 64, {}, {})
    reader.refresh(1)
    table = pa.concat_tables([pq.read_table(path).replace_schema_metadata(None) for path in old])
    write_part(folder, table, "5" * 64, replaces=[path.name for path in old])
    for path in old:
        path.unlink()
    reader.find(keys, VALUES)  # comes upon a part that is gone, and reads the folder anew
    for each in (reader, ResultSet(folder, "5" * 64, {}, {})):
        each.refresh(2)
        positions, found = each.find(keys, VALUES)
        assert found is not None
        assert {int(i): value for i, value in zip(positions, found["value"].to_pylist(), strict=True)} == dict(
            enumerate(texts)
        )


# -- a store that cannot be written


PRELUDE = """
import hashlib, json, os, signal, sys
import inlay
from inlay.backends.fake import CALLS, FakeBackend

def answers(con, n, call="{'kind': ai_classify(s, ['bug', 'praise']), 'vector': ai_embed(s)}"):
    rows = con.execute(f"select i, {call} from (select i, concat('text ', i) as s from range({n}) r(i)) order by i").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()
"""


def start(script: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    """What it printed, word by word, and its standard error."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split(), err


@pytest.fixture(scope="module")
def true_digest() -> str:
    """Of the answers to 5,000 inputs, as a process without a store gives them."""
    return finish(start("print(answers(inlay.connect(model='fake'), 5_000))"))[0][0]


FULL_DISK = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
con = inlay.connect(model="fake", store=sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
print(answers(con, 5_000), answers(con, 5_000))
"""


@pytest.mark.parametrize("limit_bytes", [0, 20_000])
def test_a_full_disk_costs_no_answer(tmp_path: Path, true_digest: str, limit_bytes: int) -> None:
    store = tmp_path / "store"
    (first, second), stderr = finish(start(FULL_DISK, store, str(limit_bytes)))
    assert first == second == true_digest
    assert stderr.count("inlay: results cannot be stored in") == 1
    assert stderr.count("\n") == 1
    assert "will be inferred again next time" in stderr
    for part in parts_in(store):
        pq.read_table(part)  # it is whole, or would not read
    assert not list(store.rglob(".tmp-*"))
    # Once there is room, all is stored.
    run = "con = inlay.connect(model='fake', store=sys.argv[1]); print(answers(con, 5_000), CALLS['rows'])"
    assert finish(start(run, store))[0][0] == first
    assert finish(start(run, store)) == ([first, "0"], "")


def test_a_store_that_turns_unwritable_costs_no_answer(
    opened: Opened, tmp_path: Path, truth: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    con = opened()
    # A file stands where the folder of the result sets would: nothing can be written below it, by root neither.
    (tmp_path / "store" / "results").write_text("")
    # Computed anew each time: the last bit of a score hangs on which rows stand beside it.
    assert rounded(said(ask(con))) == rounded(truth)
    assert rounded(said(ask(con, TEXTS[:5]))) == rounded(truth[:5])
    assert caplog.text.count("results cannot be stored") == 1


def test_a_folder_that_cannot_be_written_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match="cannot be opened for read and write.*store_mode = 'read-only' or 'off'"):
        inlay.connect(model="fake", store="/dev/null/store")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a folder whatever its mode says")
def test_a_folder_without_the_right_to_write(
    opened: Opened, store: Path, truth: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    folders = [store, *(path for path in store.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    before = contents(store)
    try:
        assert said(ask(opened(store_mode="read-only"))) == truth
        con = opened()
        assert said(ask(con)) == truth
        assert len(ask(con, ["new"])) == 1
        assert caplog.text.count("results cannot be stored") == 1
        assert contents(store) == before
    finally:
        for folder in folders:
            folder.chmod(0o755)


# -- several processes


BOTH = """
con = inlay.connect(model="fake", store=sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(answers(con, 5_000), CALLS["rows"])
"""


def test_two_processes_that_infer_the_same_are_both_right(tmp_path: Path, true_digest: str) -> None:
    store = tmp_path / "store"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PRELUDE + BOTH, str(store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    results = []
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        out, err = finish(process)
        assert err == ""
        results.append(out)
    assert [digest for digest, _ in results] == [true_digest, true_digest]
    third = "print(answers(inlay.connect(model='fake', store=sys.argv[1]), 5_000), CALLS['rows'])"
    assert finish(start(third, store)) == ([true_digest, "0"], "")
    for result_set in RESULT_SETS:
        stored = [key for part in parts_in(store, result_set) for key in pq.read_table(part)["key"].to_pylist()]
        assert set(input_keys([[f"text {i}" for i in range(5_000)]])) <= set(stored)


# -- kill -9

KILLS = 25
N_ROWS, N_DISTINCT, THREADS = 20_000, 18_000, 1  # 20,000 rows are one row group, which one thread reads

# Appends to a file how many rows go to the model, before they do: a killed process cannot tell.
BUILD = """
store, database, counts, slow = sys.argv[1:5]
import time
run = FakeBackend.run
log = os.open(counts, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

def counted(self, tokens):
    os.write(log, f"{len(tokens)}\\n".encode())
    time.sleep(float(slow))
    return run(self, tokens)

FakeBackend.run = counted
con = inlay.connect(database, model="fake", store=store)
con.execute(f"set threads = {sys.argv[5]}")
con.execute(
    "create or replace table t as select i, ai_classify(s, ['bug', 'praise']) as kind, ai_embed(s) as vector "
    "from (select i, concat('text ', i % 18000) as s from range(20000) r(i))"
)
print(*con.execute(
    "select count(*), count(distinct i), md5(string_agg(concat(i, kind, vector::varchar), '|' order by i)) from t"
).fetchone())
"""


def rows_counted(counts: Path) -> list[int]:
    return [int(line) for line in counts.read_text().split()] if counts.exists() else []


def kill_and_rerun(folder: Path, moment: str, truth: list[str]) -> tuple[int, int, int]:
    """(rows that the killed run sent to the model, rows of the rerun, the killed run's exit status)."""
    rng = random.Random(moment)
    folder.mkdir()
    store, database = folder / "store", folder / "t.duckdb"
    killed_counts, rerun_counts = folder / "killed", folder / "rerun"
    after_batches, then_s = rng.randrange(16), rng.random() * 0.08
    process = start(BUILD, store, database, killed_counts, "0.03", str(THREADS))
    # By the work done and not by the clock, so that a busy machine is killed in its midst as well.
    while process.poll() is None and len(rows_counted(killed_counts)) < after_batches:
        time.sleep(0.002)
    time.sleep(then_s)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    out, err = finish(start(BUILD, store, database, rerun_counts, "0", str(THREADS)))
    assert "inlay" not in err, moment
    assert out == truth, moment
    assert not quarantined(store), moment
    return sum(rows_counted(killed_counts)), sum(rows_counted(rerun_counts)), process.returncode


def test_a_killed_run_loses_no_more_than_was_in_flight(tmp_path: Path) -> None:
    """25 kills at moments drawn from a seed, each followed by a rerun over the same store and database."""
    truth, _ = finish(start(BUILD, tmp_path / "none", ":memory:", tmp_path / "counts", "0", str(THREADS)))
    assert truth[:2] == [str(N_ROWS), str(N_ROWS)]
    distinct = N_DISTINCT + 2 * len(EMBED_TEMPLATES)  # the labels' sentences are inputs too
    assert sum(rows_counted(tmp_path / "counts")) == distinct
    moments = [f"seed 1, kill {i}" for i in range(KILLS)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda i: kill_and_rerun(tmp_path / str(i), moments[i], truth), range(KILLS)))
    for moment, (killed, again, status) in zip(moments, results, strict=True):
        assert killed + again <= distinct + GATHER_ROWS, f"{moment}: {killed} + {again}"
        assert killed + again >= distinct, moment
        assert status in (0, -signal.SIGKILL), moment
    midway = [killed for killed, _, status in results if status and 0 < killed < distinct]
    assert len(midway) > KILLS // 2  # or the test has tested nothing


TRANSACTION = """
import time
con = inlay.connect(sys.argv[1], model="fake", store=sys.argv[2])
rows = "(select 'text ' || i as s from range(?) r(i))"
con.execute(f"create table t as select s, ai_classify(s, ['bug', 'praise']) as kind from {rows}", [1_000])
con.execute("begin")
con.execute(f"insert into t select s, ai_classify(s, ['bug', 'praise']) from {rows}", [5_000])
print("inside", flush=True)
time.sleep(600)
"""


def test_a_process_killed_inside_a_transaction_leaves_what_was_committed(tmp_path: Path) -> None:
    database, store = tmp_path / "t.duckdb", tmp_path / "store"
    process = start(TRANSACTION, database, store)
    assert process.stdout is not None and process.stdout.readline() == "inside\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    with inlay.connect(database, model="fake", store=store) as con:
        assert con.execute("select count(*), count(kind) from t").fetchall() == [(1_000, 1_000)]
        CALLS.clear()
        known = "select count(ai_classify('text ' || i, ['bug', 'praise'])) from range(5000) r(i)"
        assert con.execute(known).fetchall() == [(5_000,)] and CALLS["rows"] == 0


def test_a_part_that_could_not_be_read_for_a_moment_is_not_quarantined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result_set = ResultSet(open_folder(str(tmp_path)), "s" * 64, {}, {}, writable=True)
    result_set.publish([b"k" * 32], pa.table({"value": ["a"]}), known_here=False)
    reader = ResultSet(open_folder(str(tmp_path)), "s" * 64, {}, {}, writable=True)
    failing = OSError("the network is down")

    def read_group(*_: Any, **__: Any) -> Any:
        raise DamagedPart(str(failing)) from failing

    reader.refresh()
    with monkeypatch.context() as patched:
        patched.setattr("inlay.store.open_parts.read_groups", read_group)
        assert reader.find([b"k" * 32], VALUES)[1] is None
    assert len(list(tmp_path.glob("*.parquet"))) == 1 and not (tmp_path / "quarantine").exists()
    later = ResultSet(open_folder(str(tmp_path)), "s" * 64, {}, {}, writable=True)
    later.refresh()
    assert later.find([b"k" * 32], VALUES)[1]["value"].to_pylist() == ["a"]
