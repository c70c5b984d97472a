"""The care of a store: what is wrong is found, what is merged or carried away answers as before, and what goes was
named first."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import inlay
from inlay.cli.main import main
from inlay.errors import ConfigError
from inlay.functions.possible_answers import are_answers
from inlay.store.care.compact import compact_result_set, compact_store
from inlay.store.care.exchange import Sent, read_store, read_tar, take_in
from inlay.store.care.gc import Criteria, delete, plan_gc
from inlay.store.care.survey import Wanted, look_at, survey
from inlay.store.care.verify import verify_store
from inlay.store.codecs import BYTES, TEXT
from inlay.store.folder import Folder, open_folder
from inlay.store.inputs import inputs_of, with_inputs
from inlay.store.keys import input_keys, key_bytes, key_column, signature
from inlay.store.part_writer import PartWriter, write_part
from inlay.store.parts import KEY, part_name, part_names
from inlay.store.result_set import ResultSet
from inlay.store.results import Store

QUESTION = {"function": "ai_classify", "model": "fake/embed/512", "labels": [["a", None], ["b", None]]}
SCORES = pa.schema([("value", pa.string()), ("confidence", pa.float64()), ("scores", pa.map_("string", "float64"))])


def texts(start: int, end: int) -> list[str]:
    return [f"text {i}" for i in range(start, end)]


def answers(start: int, end: int) -> pa.Table:
    rows = [
        {"value": "ab"[i % 2], "confidence": i / 7, "scores": [("a", i / 7), ("b", 1 / (i + 1))]}
        for i in range(start, end)
    ]
    return pa.Table.from_pylist(rows, schema=SCORES)


def new_result_set(address: Path | str) -> ResultSet:
    return Store(str(address)).result_set("ai_classify", signature(QUESTION), QUESTION, {"model": {"name": "fake"}})


def fill(result_set: ResultSet, *ranges: tuple[int, int]) -> None:
    """One part per range; the files are a minute apart, the last an hour old."""
    for start, end in ranges:
        result_set.publish(input_keys([texts(start, end)]), answers(start, end), known_here=False)
        date_parts(result_set.folder.address)


def date_parts(folder: str) -> None:
    if "://" in folder:
        return
    found = sorted(Path(folder).glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    for number, path in enumerate(reversed(found)):
        moment = time.time() - 3600 - 60 * number
        os.utime(path, (moment, moment))


def known(address: Path | str, start: int, end: int) -> pa.Table:
    """What a process that opens the store now finds for these texts, in their order."""
    result_set = new_result_set(address)
    result_set.refresh()
    positions, table = result_set.find(input_keys([texts(start, end)]), answers(0, 1).schema)
    assert table is not None
    return table.append_column("text", pa.array(positions)).sort_by("text")


def only_result_set(address: Path | str) -> Path:
    (found,) = (Path(address) / "results").iterdir()
    return found


def parts_of(address: Path | str) -> list[Path]:
    return sorted((Path(address) / "results").glob("*/*.parquet"))


def ask(store: Path | str, n: int = 40) -> list[tuple[object, ...]]:
    with inlay.connect(model="fake", store=str(store)) as con:
        sql = "SELECT b, ai_classify(b, ['x', 'y']), ai_embed(b), ai_sentiment(b) FROM (SELECT 'text ' || i AS b FROM range(?) r(i)) ORDER BY b"
        return con.execute(sql, [n]).fetchall()


def findings(store: Path | str) -> list[tuple[str, str]]:
    return [found for report in verify_store(open_folder(str(store)), are_answers) for found in report.findings]


# verify


def test_a_whole_store_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(tmp_path)
    ask(tmp_path, 60)
    assert main(["store", "verify", "--store", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "✓  ai_classify-" in said and "✓  vectors-" in said and "✗" not in said
    assert f"{len(parts_of(tmp_path))} whole parts" in said


def change_a_byte(result_set: Path) -> None:
    part = max(result_set.glob("*.parquet"), key=lambda path: path.stat().st_size)
    raw = bytearray(part.read_bytes())
    raw[300] ^= 1
    part.write_bytes(raw)


def truncate(result_set: Path) -> None:
    part = next(result_set.glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-50])


def rename(result_set: Path) -> None:
    next(result_set.glob("*.parquet")).rename(result_set / ("0" * 32 + ".parquet"))


def other_signature(result_set: Path) -> None:
    table = pq.read_table(next(result_set.glob("*.parquet"))).cast(pa.schema([KEY, *SCORES]))
    write_part(open_folder(str(result_set)), table, "f" * 64)


def other_columns(result_set: Path) -> None:
    table = pa.table({"key": key_column(input_keys([["x"]])), "value": [1.5]}).cast(
        pa.schema([KEY, ("value", "float64")])
    )
    write_part(open_folder(str(result_set)), table, signed(result_set))


def wrong_checksum(result_set: Path) -> None:
    """A part whose bytes match its name, but whose keys do not match their checksum."""
    table = answers(0, 2).add_column(0, KEY, key_column(input_keys([texts(0, 2)])))
    with PartWriter(open_folder(str(result_set)), table.schema, signed(result_set)) as writer:
        writer.write_rows(table)
        writer._keys_sum += 1
        writer.publish()


def no_part(result_set: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), sink)
    (result_set / part_name(sink.getvalue())).write_bytes(sink.getvalue())


def wrong_inputs(result_set: Path) -> None:
    columns = {"key": key_column(input_keys([["right"]])), **{name: answers(0, 1)[name] for name in SCORES.names}}
    write_part(open_folder(str(result_set)), pa.table({**columns, "inputs": [["wrong"]]}).cast(pa.schema([KEY, *SCORES, ("inputs", pa.list_(pa.string()))])), signed(result_set))  # fmt: skip


def signed(result_set: Path) -> str:
    return str(json.loads((result_set / "manifest.json").read_text())["signature"])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (change_a_byte, "do not match its name"),
        (truncate, "do not match its name"),
        (rename, "do not match its name"),
        (other_signature, "signature ffffffffffff…, which is not this result set's"),
        (other_columns, "but the manifest says"),
        (no_part, "is no part"),
        (wrong_checksum, "do not match their checksum"),
        (wrong_inputs, "do not give its key"),
    ],
)
def test_damage_is_found_and_set_aside(
    tmp_path: Path, damage: Callable[[Path], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(new_result_set(tmp_path), (0, 50), (50, 90))
    before = {path.name for path in parts_of(tmp_path)}
    damage(only_result_set(tmp_path))
    damaged = parts_of(tmp_path)
    assert main(["store", "verify", "--store", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert said in told and "1 finding, 1 damaged part. Type: inlay store verify --quarantine" in told
    assert parts_of(tmp_path) == damaged, "verify alone changes nothing"
    assert main(["store", "verify", "--store", str(tmp_path), "--quarantine"]) == 1
    capsys.readouterr()
    (aside,) = (only_result_set(tmp_path) / "quarantine").iterdir()
    assert aside not in parts_of(tmp_path) and len(parts_of(tmp_path)) == len(damaged) - 1
    assert {path.name for path in parts_of(tmp_path)} <= before
    assert main(["store", "verify", "--store", str(tmp_path)]) == 0
    assert "1 file in quarantine" in capsys.readouterr().out


def test_set_aside_rows_are_inferred_again(tmp_path: Path, calls: dict[str, int]) -> None:
    first = ask(tmp_path)
    for path in parts_of(tmp_path):
        if path.parent.name.startswith(("ai_classify", "vectors")) and path.stat().st_size > 2000:
            path.write_bytes(path.read_bytes()[:-9])
    list(verify_store(open_folder(str(tmp_path)), are_answers, quarantine=True))
    calls.clear()
    assert ask(tmp_path) == first
    assert calls["rows"] > 0
    assert not findings(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda manifest: manifest["question"].update(labels=[["a", None], ["c", None]]), "gives the signature"),
        (lambda manifest: manifest.update(signature="0" * 64), "gives the signature"),
        (lambda manifest: manifest.pop("question"), "cannot be read"),
        (lambda manifest: manifest.update(form="manifest/9"), "is in format version 'manifest/9'"),
    ],
)
def test_a_manifest_must_give_the_signature(
    tmp_path: Path, change: Callable[[dict[str, object]], object], said: str
) -> None:
    fill(new_result_set(tmp_path), (0, 5))
    file = only_result_set(tmp_path) / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))
    ((name, reason),) = findings(tmp_path)
    assert name == "" and said in reason


def test_a_result_set_in_a_folder_of_another_name(tmp_path: Path) -> None:
    fill(new_result_set(tmp_path), (0, 5))
    result_set = only_result_set(tmp_path)
    result_set.rename(result_set.with_name(result_set.name.replace("classify", "filter")))
    assert "is that of the result set ai_classify-" in findings(tmp_path)[0][1]


def test_calls_and_unknown_files_are_looked_at(tmp_path: Path) -> None:
    ask(tmp_path)
    file = next((tmp_path / "calls").iterdir())
    file.write_text(file.read_text().replace('"value"', '"value from secrets"', 1))
    (next((tmp_path / "results").iterdir()) / "notes.txt").write_text("mine")
    said = dict(findings(tmp_path))
    assert "no names of columns" in said[file.name] and said["notes.txt"] == "is no file of a store"


def test_stored_inputs_give_the_keys_again_and_rows_may_be_there_twice(tmp_path: Path) -> None:
    result_set = new_result_set(tmp_path)
    fill(result_set, (0, 10), (5, 12))
    pairs = [["a", "bc"], ["ab", "c"], None]
    keys = [*input_keys([["a", "ab"], ["bc", "c"]]), input_keys([["unknown"]])[0]]
    result_set.publish(keys, answers(0, 3).append_column("inputs", pa.array(pairs, pa.list_(pa.string()))))
    report = next(iter(verify_store(open_folder(str(tmp_path)), are_answers)))
    assert not report.findings
    assert (report.parts, report.rows, report.twice, report.derived) == (3, 20, 5, 2)


def test_stored_inputs_that_are_no_texts_give_their_keys_again(tmp_path: Path) -> None:
    result_set = new_result_set(tmp_path)
    images = pa.array([b"\x00\xff", b"\x89PNG", b""], pa.binary())
    inputs = inputs_of([images, pa.array(["a", "b", "c"])], (BYTES, TEXT))
    result_set.publish(inputs.keys, with_inputs(answers(0, 3), inputs))
    (report,) = [
        report for report in verify_store(open_folder(str(tmp_path)), are_answers, quarantine=True) if report.rows
    ]
    assert not report.findings and not report.set_aside
    assert (report.rows, report.derived) == (3, 3)
    items = list(read_store(open_folder(str(tmp_path)), Sent()))
    assert take_in(open_folder(str(tmp_path / "other")), items, are_answers).rows == 3
    wrong = inputs_of([pa.array([b"other"], pa.binary())], (BYTES,))
    result_set.publish(input_keys([[b"one"]]), with_inputs(answers(0, 1), wrong))
    assert ["the inputs of a row do not give its key" in reason for _, reason in findings(tmp_path)] == [True]


# compact


RANGES = ((0, 40), (40, 41), (41, 120), (100, 130), (130, 133))


def test_a_compacted_result_set_answers_the_same(tmp_path: Path) -> None:
    fill(new_result_set(tmp_path), *RANGES)
    before = known(tmp_path, 0, 140)
    old = parts_of(tmp_path)
    (done,) = compact_store(open_folder(str(tmp_path)))
    assert (done.merged, done.rows, done.duplicates, done.deleted, done.waiting) == (5, 133, 20, 0, 5)
    assert set(old) < set(parts_of(tmp_path)), "what was merged stays for readers that are in it"
    assert known(tmp_path, 0, 140).equals(before)
    (done,) = compact_store(open_folder(str(tmp_path)), now=True)
    assert (done.merged, done.deleted) == (0, 5)
    (part,) = parts_of(tmp_path)
    after = known(tmp_path, 0, 140)
    assert after.equals(before) and after.schema.equals(before.schema)
    rows = pq.read_table(part)["key"]
    assert [bytes(key) for key in key_bytes(rows)] == input_keys([texts(0, 133)]), (
        "rows keep their order, oldest part first"
    )
    assert not findings(tmp_path)


def test_a_compacted_store_serves_sessions_and_sql_alone(tmp_path: Path, calls: dict[str, int]) -> None:
    ask(tmp_path, 20)
    ask(tmp_path, 35)
    first = ask(tmp_path)
    list(compact_store(open_folder(str(tmp_path)), now=True))
    calls.clear()
    assert ask(tmp_path) == first
    assert not calls.get("rows")
    (result_set,) = (tmp_path / "results").glob("ai_classify-*")
    files = f"{result_set}/*.parquet"
    stored = duckdb.sql(f"SELECT value FROM read_parquet('{files}') WHERE key = unhex(sha256('text 7'))").fetchall()
    assert stored == [({row[0]: row[1] for row in first}["text 7"],)]


def test_a_reader_in_the_old_parts_goes_on(tmp_path: Path) -> None:
    fill(new_result_set(tmp_path), *RANGES)
    reader = new_result_set(tmp_path)
    reader.refresh(1)
    list(compact_store(open_folder(str(tmp_path)), now=True))
    reader.refresh(2)
    positions, _ = reader.find(input_keys([texts(0, 140)]), SCORES)
    assert sorted(positions) == list(range(133))


def test_later_compactions_merge_merged_parts(tmp_path: Path) -> None:
    result_set = new_result_set(tmp_path)
    fill(result_set, (0, 40), (40, 80))
    list(compact_store(open_folder(str(tmp_path))))
    fill(result_set, (80, 90))
    before = known(tmp_path, 0, 100)
    (done,) = compact_store(open_folder(str(tmp_path)), now=True)
    assert (done.merged, done.rows, done.deleted) == (2, 90, 4)
    assert known(tmp_path, 0, 100).equals(before) and len(parts_of(tmp_path)) == 1


def test_of_two_answers_to_one_input_the_older_stays(tmp_path: Path) -> None:
    result_set = new_result_set(tmp_path)
    for value in ("older", "newer"):
        result_set.publish(
            input_keys([["x"]]), answers(0, 1).set_column(0, "value", pa.array([value])), known_here=False
        )
        date_parts(result_set.folder.address)
    list(compact_store(open_folder(str(tmp_path)), now=True))
    (part,) = parts_of(tmp_path)
    assert pq.read_table(part)["value"].to_pylist() == ["older"]


def test_merged_parts_keep_within_their_bounds(tmp_path: Path) -> None:
    fill(new_result_set(tmp_path), *((i * 50, i * 50 + 50) for i in range(9)))
    result_set = next(survey(open_folder(str(tmp_path))))
    done = compact_result_set(result_set, max_rows=210, small_rows=100)
    assert [part.part.rows for part in next(survey(open_folder(str(tmp_path)))).live()] == [200, 200, 50]
    assert (done.merged, len(done.published)) == (8, 2)
    limit = sum(part.bytes for part in result_set.parts[:3]) + 500
    list(compact_store(open_folder(str(tmp_path)), now=True))
    fill(new_result_set(tmp_path / "bytes"), *((i * 50, i * 50 + 50) for i in range(6)))
    compact_result_set(next(survey(open_folder(str(tmp_path / "bytes")))), max_bytes=limit)
    assert [part.part.rows for part in next(survey(open_folder(str(tmp_path / "bytes")))).live()] == [150, 150]


def test_a_written_part_is_cut_into_row_groups_with_checksums(tmp_path: Path) -> None:
    result_set = new_result_set(tmp_path)
    vectors = pa.table({"value": pa.array([[float(i)] * 256 for i in range(5000)], pa.list_(pa.float32()))})
    whole = vectors.add_column(0, KEY, key_column(input_keys([texts(0, 5000)])))
    with PartWriter(result_set.folder, whole.schema, result_set.signature) as writer:
        for start in range(0, 5000, 700):
            writer.write_rows(whole.slice(start, 700))
        name = writer.publish()
    raw = Path(result_set.folder.address, name).read_bytes()
    assert part_name(raw) == name and name.startswith(hashlib.sha256(raw).hexdigest()[:24])
    file = pq.ParquetFile(io.BytesIO(raw))
    assert file.read().equals(whole.cast(file.schema_arrow))
    # Rows of about 1,060 bytes: a group of four million bytes holds somewhat fewer than four thousand of them.
    assert file.num_row_groups == 2 and 3000 < file.metadata.row_group(0).num_rows < 4000
    assert file.metadata.row_group(0).column(1).compression == "UNCOMPRESSED"
    at = file.metadata.row_group(0).column(1).data_page_offset + 2000
    damaged = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(io.BytesIO(damaged), page_checksum_verification=True).read()
    assert not [path for path in Path(result_set.folder.address).iterdir() if path.name.startswith(".tmp-")]


def test_what_was_not_published_leaves_nothing(tmp_path: Path) -> None:
    folder = open_folder(str(tmp_path))
    table = pa.table({"value": ["x"]}).add_column(0, KEY, key_column(input_keys([["x"]])))
    with pytest.raises(RuntimeError, match="no more"), PartWriter(folder, table.schema, "0" * 64) as writer:
        writer.write_rows(table)
        raise RuntimeError("no more")
    assert not list(tmp_path.iterdir())


def test_damaged_parts_are_never_merged(tmp_path: Path) -> None:
    fill(new_result_set(tmp_path), (0, 40), (40, 80), (80, 120))
    second = look_at(open_folder(str(only_result_set(tmp_path))), only_result_set(tmp_path).name).parts[1].name
    path = only_result_set(tmp_path) / second
    raw = bytearray(path.read_bytes())
    raw[-12] ^= 1  # in the footer, which no page checksum covers
    path.write_bytes(raw)
    (done,) = compact_store(open_folder(str(tmp_path)), now=True)
    assert set(done.set_aside) == {second} and (done.merged, done.rows) == (2, 80)
    assert known(tmp_path, 0, 120)["text"].to_pylist() == [*range(40), *range(80, 120)]
    assert (only_result_set(tmp_path) / "quarantine" / second).exists()


def test_a_part_that_is_stored_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(new_result_set(tmp_path), (0, 40), (40, 80))
    publish = PartWriter.publish

    def with_another(writer: PartWriter) -> str:
        monkeypatch.setattr(PartWriter, "publish", publish)
        fill(new_result_set(tmp_path), (70, 100))
        return publish(writer)

    monkeypatch.setattr(PartWriter, "publish", with_another)
    list(compact_store(open_folder(str(tmp_path)), now=True))
    assert known(tmp_path, 0, 120)["text"].to_pylist() == list(range(100))


def test_two_compactions_and_writers_at_once(tmp_path: Path) -> None:
    fill(new_result_set(tmp_path), *((i * 10, i * 10 + 10) for i in range(12)))
    failed: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    def compacts() -> None:
        for _ in range(4):
            list(compact_store(open_folder(str(tmp_path)), now=True))

    def writes(first: int) -> None:
        result_set = new_result_set(tmp_path)
        for i in range(first, first + 60, 10):
            result_set.publish(input_keys([texts(i, i + 10)]), answers(i, i + 10))

    jobs: list[Callable[[], object]] = [compacts, compacts, lambda: writes(120), lambda: writes(180)]
    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert (
        known(tmp_path, 0, 240)
        .drop_columns("text")
        .equals(answers(0, 240).cast(known(tmp_path, 0, 1).drop_columns("text").schema))
    )
    list(compact_store(open_folder(str(tmp_path)), now=True))
    assert known(tmp_path, 0, 240)["text"].to_pylist() == list(range(240)) and not findings(tmp_path)


def test_of_two_overlapping_compactions_one_counts(tmp_path: Path) -> None:
    result_set = new_result_set(tmp_path)
    fill(result_set, (0, 10), (10, 20), (20, 30))
    old = [part.name for part in next(survey(open_folder(str(tmp_path)))).parts]

    def merged(end: int, replaces: list[str]) -> str:
        table = answers(0, end).add_column(0, KEY, key_column(input_keys([texts(0, end)])))
        return write_part(result_set.folder, table, result_set.signature, replaces=replaces)

    fewer, other_order, all_of_them = merged(20, old[:2]), merged(20, old[1::-1]), merged(30, old)
    found = next(survey(open_folder(str(tmp_path))))
    assert [part.name for part in found.live()] == [all_of_them]
    (Path(result_set.folder.address) / all_of_them).unlink()
    found = next(survey(open_folder(str(tmp_path))))
    assert [part.part.rows for part in found.live()] == [10, 20] and {fewer, other_order} & set(found.superseded())
    assert known(tmp_path, 0, 30)["text"].to_pylist() == list(range(30))


KILLED = """
import os, signal, sys
from inlay.store import folder, part_writer
from inlay.store.care import compact
left = int(sys.argv[2])
def counted(method):
    def dies(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        found = method(*arguments, **named)
        return found
    return dies
steps = ((folder.Folder, "output"), (part_writer.PartWriter, "write_rows"), (folder.Folder, "move"), (folder.Folder, "delete"))
for owner, name in steps:
    setattr(owner, name, counted(getattr(owner, name)))
list(compact.compact_store(folder.open_folder(sys.argv[1]), now=True))
print("done", left)
"""


def test_killed_at_any_step_no_row_is_lost(tmp_path: Path) -> None:
    """SIGKILL before each opening, writing, renaming and deleting of a file, one after the other."""
    steps = 0
    code = -9
    while code == -9:
        steps += 1
        store = tmp_path / str(steps)
        fill(new_result_set(store), *RANGES[:3])
        ran = subprocess.run([sys.executable, "-c", KILLED, str(store), str(steps)], capture_output=True, text=True)
        code = ran.returncode
        assert code in (0, -9), ran.stderr
        found = known(store, 0, 120)
        assert found["text"].to_pylist() == list(range(120)), steps
        expected = answers(0, 120)
        assert found.drop_columns("text").equals(expected.cast(found.drop_columns("text").schema)), steps
        list(compact_store(open_folder(str(store)), now=True))
        assert len(parts_of(store)) == 1 and known(store, 0, 120).equals(found), steps
    assert steps == 1 + 3 + 1 + 3 + 1, "opened, three parts written, renamed, three deleted; then all is done"


def test_a_part_that_only_says_it_stands_for_others_deletes_nothing(tmp_path: Path) -> None:
    result_set = new_result_set(tmp_path)
    fill(result_set, (0, 40))
    (honest,) = parts_of(tmp_path)
    table = answers(0, 10).add_column(0, KEY, key_column(input_keys([texts(0, 10)])))
    write_part(result_set.folder, table, result_set.signature, replaces=[honest.name])
    plan = plan_gc(open_folder(str(tmp_path)), Criteria(superseded=True, grace=timedelta()))
    assert not plan.files and "lacks some of its rows" in "".join(plan.kept.values())
    (done,) = compact_store(open_folder(str(tmp_path)), now=True)
    assert done.deleted == 0 and honest.exists() and "lacks some" in done.left[0][1]


# gc


def test_gc_says_what_it_would_delete_and_deletes_with_yes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(tmp_path)
    before = parts_of(tmp_path)
    command = ["store", "gc", "--store", str(tmp_path), "--function", "ai_classify"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "40 rows" in said and "Nothing was deleted" in said and "--yes" in said
    assert parts_of(tmp_path) == before
    assert main([*command, "--yes"]) == 0
    assert "Deleted: " in capsys.readouterr().out
    assert {path.parent.name.split("-")[0] for path in parts_of(tmp_path)} == {"ai_sentiment", "vectors"}
    assert not list((tmp_path / "results").glob("ai_classify-*")), "the empty result set went with its manifest"
    assert not [f for f in (tmp_path / "calls").iterdir() if "ai_classify" in f.read_text()]
    assert len(list((tmp_path / "calls").iterdir())) == 2
    assert len(ask(tmp_path)) == 40 and not findings(tmp_path)


def test_gc_by_age_knows_the_age_of_compacted_rows(tmp_path: Path) -> None:
    result_set = new_result_set(tmp_path)
    fill(result_set, (0, 10), (10, 20))
    for path in parts_of(tmp_path):
        os.utime(path, (time.time() - 100 * 86400,) * 2)
    list(compact_store(open_folder(str(tmp_path))))  # a new file of old rows
    result_set.publish(input_keys([texts(20, 30)]), answers(20, 30))
    store = open_folder(str(tmp_path))
    assert not plan_gc(store, Criteria(older_than=timedelta(days=101))).files
    plan = plan_gc(store, Criteria(older_than=timedelta(days=90)))
    assert (len(plan.files), plan.rows, plan.empty) == (3, 20, [])
    assert [goner.rows for goner in plan.files] == [0, 0, 20], "what a part stands for goes before it"
    delete(store, plan)
    assert known(tmp_path, 0, 30)["text"].to_pylist() == list(range(20, 30))


def test_gc_by_size_takes_the_oldest_first(tmp_path: Path) -> None:
    fill(new_result_set(tmp_path), (0, 10), (10, 20), (20, 30))
    sizes = {path: path.stat().st_size for path in parts_of(tmp_path)}
    store = open_folder(str(tmp_path))
    assert not plan_gc(store, Criteria(max_bytes=sum(sizes.values()))).files
    plan = plan_gc(store, Criteria(max_bytes=sum(sizes.values()) - 1))
    assert plan.rows == 10
    delete(store, plan)
    assert known(tmp_path, 0, 30)["text"].to_pylist() == list(range(10, 30))
    delete(store, plan_gc(store, Criteria(max_bytes=0)))
    assert not list((tmp_path / "results").iterdir())


def test_gc_narrows_by_all_that_is_given(tmp_path: Path) -> None:
    ask(tmp_path)
    store = open_folder(str(tmp_path))
    (vectors,) = (tmp_path / "results").glob("vectors-*")
    start = vectors.name.split("-")[1][:6]
    chosen = plan_gc(store, Criteria(Wanted(signature=start)))
    assert {goner.result_set for goner in chosen.files} == {vectors.name}
    assert not plan_gc(store, Criteria(Wanted("vectors"), older_than=timedelta(days=1))).files
    with pytest.raises(
        ConfigError, match="no result set in .* is of function 'ai_fliter'.* There are result sets of: ai_classify, "
    ):
        plan_gc(store, Criteria(Wanted("ai_fliter")))
    with pytest.raises(ConfigError, match="must be the beginning of one, in hexadecimal"):
        Wanted(signature="xyz")


def test_gc_of_superseded_parts_waits_and_wants_a_whole_replacement(tmp_path: Path) -> None:
    fill(new_result_set(tmp_path), (0, 40), (40, 80))
    store = open_folder(str(tmp_path))
    list(compact_store(store))
    assert not plan_gc(store, Criteria(superseded=True)).files
    assert plan_gc(store, Criteria(superseded=True)).waiting == 2
    later = datetime.now(UTC) + timedelta(minutes=61)
    assert len(plan_gc(store, Criteria(superseded=True), now=later).files) == 2
    merged = next(survey(store)).live()[0].name
    path = only_result_set(tmp_path) / merged
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(raw)
    plan = plan_gc(store, Criteria(superseded=True), now=later)
    assert not plan.files and all("is damaged" in why for why in plan.kept.values())
    path.write_bytes(bytes(raw[:100]) + bytes([raw[100] ^ 1]) + bytes(raw[101:]))
    delete(store, plan_gc(store, Criteria(superseded=True), now=later))
    assert [part.name for part in parts_of(tmp_path)] == [merged]


def test_gc_clears_what_a_killed_process_left(tmp_path: Path) -> None:
    fill(new_result_set(tmp_path), (0, 10))
    old, new = only_result_set(tmp_path) / ".tmp-old", only_result_set(tmp_path) / ".tmp-new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 90000,) * 2)
    store = open_folder(str(tmp_path))
    delete(store, plan_gc(store, Criteria()))
    assert not old.exists() and new.exists() and len(parts_of(tmp_path)) == 1


def test_gc_keeps_a_result_set_that_was_filled_after_the_plan(tmp_path: Path) -> None:
    result_set = new_result_set(tmp_path)
    fill(result_set, (0, 10))
    store = open_folder(str(tmp_path))
    plan = plan_gc(store, Criteria(max_bytes=0))
    assert len(plan.empty) == 1
    result_set.publish(input_keys([texts(10, 20)]), answers(10, 20))
    delete(store, plan)
    assert known(tmp_path, 0, 20)["text"].to_pylist() == list(range(10, 20)) and not findings(tmp_path)


# export, import


def test_an_exported_store_answers_elsewhere(
    tmp_path: Path, calls: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    ask(tmp_path / "here", 30)
    first = ask(tmp_path / "here")
    list(compact_store(open_folder(str(tmp_path / "here"))))
    file = str(tmp_path / "results.tar")
    assert main(["store", "export", file, "--store", str(tmp_path / "here")]) == 0
    assert main(["store", "import", file, "--store", str(tmp_path / "there")]) == 0
    exported, taken = capsys.readouterr().out.splitlines()
    # 40 of each function; vectors are also those of the labels' and sentiments' descriptions.
    n_rows = sum(pq.read_metadata(path).num_rows for path in parts_of(tmp_path / "there"))
    assert n_rows > 120 and f"3 parts, {n_rows:,} rows" in exported and f"New: 3 parts, {n_rows:,} rows" in taken
    calls.clear()
    assert ask(tmp_path / "there") == first
    assert not calls.get("rows")
    assert not findings(tmp_path / "there")
    assert {f.name for f in (tmp_path / "there/calls").iterdir()} == {
        f.name for f in (tmp_path / "here/calls").iterdir()
    }
    assert main(["store", "import", file, "--store", str(tmp_path / "there")]) == 0
    assert "New: 0 parts, 0 rows" in capsys.readouterr().out
    assert main(["store", "export", file, "--store", str(tmp_path / "here")]) == 1
    assert "is there already" in capsys.readouterr().err


def test_import_changes_nothing_that_is_here(tmp_path: Path) -> None:
    fill(new_result_set(tmp_path / "from"), (0, 40), (40, 80))
    fill(new_result_set(tmp_path / "into"), (60, 90))
    manifest = only_result_set(tmp_path / "into") / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"fake"', '"mine"'))
    before = manifest.read_text()
    sent = Sent()
    taken = take_in(
        open_folder(str(tmp_path / "into")), read_store(open_folder(str(tmp_path / "from")), sent), are_answers
    )
    assert (taken.parts, taken.rows, taken.new_result_sets, taken.here, taken.refused) == (2, 80, 0, 0, [])
    assert manifest.read_text() == before
    assert known(tmp_path / "into", 0, 90)["text"].to_pylist() == list(range(90))
    list(compact_store(open_folder(str(tmp_path / "into")), now=True))
    again = take_in(
        open_folder(str(tmp_path / "into")), read_store(open_folder(str(tmp_path / "from")), Sent()), are_answers
    )
    assert (again.parts, again.here) == (0, 2), "a compacted part stands for them"


def test_only_what_is_wanted_travels(tmp_path: Path) -> None:
    ask(tmp_path / "here")
    assert (
        main(
            ["store", "export", str(tmp_path / "there"), "--store", str(tmp_path / "here"), "--function", "ai_classify"]
        )
        == 0
    )
    assert [path.name.split("-")[0] for path in (tmp_path / "there/results").iterdir()] == ["ai_classify"]
    assert len(list((tmp_path / "there/calls").iterdir())) == 1
    file = str(tmp_path / "all.tar")
    assert main(["store", "export", file, "--store", str(tmp_path / "here")]) == 0
    assert main(["store", "import", file, "--store", str(tmp_path / "two"), "--function", "vectors"]) == 0
    assert [path.name.split("-")[0] for path in (tmp_path / "two/results").iterdir()] == ["vectors"]


def test_damaged_parts_do_not_travel_and_what_they_replaced_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(new_result_set(tmp_path / "here"), (0, 40), (40, 80))
    list(compact_store(open_folder(str(tmp_path / "here"))))
    merged = next(survey(open_folder(str(tmp_path / "here")))).live()[0].name
    path = only_result_set(tmp_path / "here") / merged
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(raw)
    assert main(["store", "export", str(tmp_path / "x.tar"), "--store", str(tmp_path / "here")]) == 1
    assert "left out: " in capsys.readouterr().out
    assert main(["store", "import", str(tmp_path / "x.tar"), "--store", str(tmp_path / "there")]) == 0
    assert known(tmp_path / "there", 0, 80)["text"].to_pylist() == list(range(80))


def tar_of(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def exported(tmp_path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    """The members of a good export of one result set with two parts."""
    if not (tmp_path / "from").exists():
        fill(new_result_set(tmp_path / "from"), (0, 40), (40, 80))
    return [
        (tarfile.TarInfo(item.path), bytes(item.content))
        for item in read_store(open_folder(str(tmp_path / "from")), Sent())
    ]


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


A_PART = "results/ai_classify-" + "0" * 32 + "/" + "1" * 32 + ".parquet"


@pytest.mark.parametrize(
    "bad",
    [
        tarfile.TarInfo("../outside.parquet"),
        tarfile.TarInfo("/etc/inlay"),
        tarfile.TarInfo("/" + A_PART),
        tarfile.TarInfo("results/../../" + "1" * 32 + ".parquet"),
        tarfile.TarInfo("results/../" + A_PART),
        tarfile.TarInfo("results/ai_classify-" + "0" * 32 + "/notes.txt"),
        tarfile.TarInfo("results/ai_classify-" + "0" * 32 + "/quarantine/" + "1" * 32 + ".parquet"),
        tarfile.TarInfo("results/AI-" + "0" * 32 + "/manifest.json"),
        tarfile.TarInfo(A_PART + "\n"),
        tarfile.TarInfo("errors/run.parquet"),
        special(A_PART, tarfile.SYMTYPE, "/etc/passwd"),
        special(A_PART, tarfile.LNKTYPE, "inlay-store.json"),
        special(A_PART, tarfile.CHRTYPE),
        special(A_PART, tarfile.FIFOTYPE),
        special("../folder", tarfile.DIRTYPE),
        special(A_PART, tarfile.GNUTYPE_SPARSE),
    ],
    ids=lambda member: f"{member.name[:30]!r} {member.type!r}",
)
def test_a_tar_with_any_other_member_is_refused_whole(
    tmp_path: Path, bad: tarfile.TarInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    if bad.type == tarfile.GNUTYPE_SPARSE:
        bad = tarfile.TarInfo(A_PART)
        bad.pax_headers = {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.size": "99",
            "GNU.sparse.map": "0,1",
        }
    file = tar_of(tmp_path / "x.tar", [*exported(tmp_path), (bad, b"" if bad.type != tarfile.REGTYPE else b"x")])
    assert main(["store", "import", str(file), "--store", str(tmp_path / "there")]) == 1
    assert "Nothing was taken in" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "there").rglob("*")} <= {"inlay-store.json"}
    assert not (tmp_path / "outside.parquet").exists()


def test_files_that_are_no_export_are_refused(tmp_path: Path) -> None:
    good = exported(tmp_path)
    for file, said in (
        (tar_of(tmp_path / "gz.tar", good, "w:gz"), "Only a plain .tar"),
        (tar_of(tmp_path / "none.tar", good[1:]), "no inlay-store.json"),
        (
            tar_of(tmp_path / "form.tar", [(tarfile.TarInfo("inlay-store.json"), b'{"form": "store/9"}')]),
            "format version 'store/9'",
        ),
    ):
        with pytest.raises(ConfigError, match=said):
            take_in(Store(str(tmp_path / "there")).folder, read_tar(partial(file.open, "rb"), file.name), are_answers)


@pytest.mark.parametrize("place", ["inside a header", "between members", "inside a member", "a header of zeros"])
def test_a_tar_that_was_cut_is_refused_whole(tmp_path: Path, place: str) -> None:
    file = tar_of(tmp_path / "x.tar", exported(tmp_path))
    raw = file.read_bytes()
    with tarfile.open(file) as tar:
        last = tar.getmembers()[-1]
    if place == "a header of zeros":
        raw = raw[: last.offset] + bytes(tarfile.BLOCKSIZE) + raw[last.offset + tarfile.BLOCKSIZE :]
    else:
        at = {
            "inside a header": last.offset + 200,
            "between members": last.offset,
            "inside a member": last.offset + 999,
        }
        raw = raw[: at[place]]
    file.write_bytes(raw)
    with pytest.raises(ConfigError, match="cannot be read as a tar file"):
        take_in(Store(str(tmp_path / "there")).folder, read_tar(partial(file.open, "rb"), file.name), are_answers)
    assert not list((tmp_path / "there").rglob("*.parquet"))


def test_a_tar_of_the_folder_itself_is_read(tmp_path: Path) -> None:
    exported(tmp_path)
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(tmp_path / "from", ".")
        assert any(name.startswith("./results/") for name in tar.getnames())
    # A manifest that comes after its parts in the alphabet is no reason to take in parts unseen.
    assert main(["store", "import", str(tmp_path / "x.tar"), "--store", str(tmp_path / "there")]) in (0, 1)
    assert not findings(tmp_path / "there")


def lying(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], list[tuple[tarfile.TarInfo, bytes]]]:
    def make(tmp_path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
        done = False
        changed = []
        for member, content in exported(tmp_path):
            if member.name.endswith(name) and not done:
                content, done = change(content), True
            changed.append((member, content))
        return changed

    return make


@pytest.mark.parametrize(
    ("members", "said", "n_taken"),
    [
        (lying(".parquet", lambda raw: raw[:200] + bytes([raw[200] ^ 1]) + raw[201:]), "do not match its name", 1),
        (lying("manifest.json", lambda raw: raw.replace(b'"b"', b'"c"')), "gives the signature", 0),
        (lying("manifest.json", lambda raw: b"["), "cannot be read", 0),
    ],
)
def test_members_that_are_not_what_they_say_are_refused(
    tmp_path: Path, members: Callable[[Path], list[tuple[tarfile.TarInfo, bytes]]], said: str, n_taken: int, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    file = tar_of(tmp_path / "x.tar", members(tmp_path))
    assert main(["store", "import", str(file), "--store", str(tmp_path / "there")]) == 1
    told = capsys.readouterr().out
    assert said in told and f"New: {n_taken} part" in told
    assert len(parts_of(tmp_path / "there")) == n_taken and not findings(tmp_path / "there")


def test_a_call_that_would_become_sql_is_refused(tmp_path: Path) -> None:
    ask(tmp_path / "from")
    items = list(read_store(open_folder(str(tmp_path / "from")), Sent()))
    bad = []
    for item in items:
        if item.path.startswith("calls/"):
            said = json.loads(bytes(item.content))
            said["columns"] = ["value from (select 1)); drop table t; --"]
            item = type(item)("", item.name, json.dumps(said).encode(), item.changed_at)
        bad.append(item)
    taken = take_in(Store(str(tmp_path / "there")).folder, bad, are_answers)
    assert len(taken.refused) == 3 and taken.calls == 0 and not (tmp_path / "there/calls").exists()


def test_a_part_from_elsewhere_cannot_push_out_what_is_here(tmp_path: Path) -> None:
    fill(new_result_set(tmp_path / "into"), (0, 40))
    (mine,) = parts_of(tmp_path / "into")
    other = new_result_set(tmp_path / "from")
    fill(other, (50, 51))
    table = answers(0, 10).add_column(0, KEY, key_column(input_keys([texts(0, 10)])))
    liar = write_part(other.folder, table, other.signature, replaces=[mine.name])
    taken = take_in(
        open_folder(str(tmp_path / "into")), read_store(open_folder(str(tmp_path / "from")), Sent()), are_answers
    )
    assert [name.rpartition("/")[2] for name, _ in taken.refused] == [liar] and "lacks 30 of its rows" in taken.refused[
        0
    ][1]
    assert known(tmp_path / "into", 0, 40)["text"].to_pylist() == list(range(40))


# any file system, and the command


def test_a_store_in_memory_through_fsspec(calls: dict[str, int]) -> None:
    pytest.importorskip("fsspec")
    address = f"memory://care-{os.getpid()}/store"
    first = ask(address, 20)
    first = ask(address)
    calls.clear()
    assert ask(address) == first and not calls.get("rows")
    folder = open_folder(address)
    result_set = next(survey(folder, Wanted("ai_classify")))
    assert len(result_set.parts) > 1 and all(
        datetime.now(UTC) - part.changed_at < timedelta(minutes=5) for part in result_set.parts
    )
    assert not any(report.findings for report in verify_store(folder, are_answers))
    done = list(compact_store(folder))
    assert [len(report.published) for report in done] == [1, 1, 1] and sum(report.waiting for report in done)
    assert ask(address) == first and not calls.get("rows")
    later = datetime.now(UTC) + timedelta(hours=2)
    delete(folder, plan_gc(folder, Criteria(superseded=True), now=later))
    assert [len(part_names(result_set.folder)) for result_set in survey(folder)] == [1, 1, 1]
    assert ask(address) == first and not calls.get("rows")
    taken = take_in(Store(address + "-copy").folder, read_store(folder, Sent()), are_answers)
    copied = verify_store(open_folder(address + "-copy"), are_answers)
    assert taken.parts == 3 and not any(report.findings for report in copied)
    delete(folder, plan_gc(folder, Criteria(Wanted("vectors"))))
    assert [result_set.function for result_set in survey(folder)] == ["ai_classify", "ai_sentiment"]
    file: Folder = open_folder(f"memory://care-{os.getpid()}")
    assert main(["store", "export", f"{file.address}/x.tar", "--store", address]) == 0
    assert main(["store", "import", f"{file.address}/x.tar", "--store", address + "-tar"]) == 0


def test_list_says_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(new_result_set(tmp_path), (0, 1200), (1200, 1300))
    list(compact_store(open_folder(str(tmp_path))))
    assert main(["store", "list", "--store", str(tmp_path)]) == 0
    head, line, total = capsys.readouterr().out.splitlines()
    assert head.split() == ["function", "signature", "model", "rows", "parts", "MB", "created"]
    assert line.split()[:5] == ["ai_classify", only_result_set(tmp_path).name.split("-")[1][:12], "fake", "1,300", "1"]
    assert total.startswith("1 result set, 1,300 rows, 1 part, ") and total.endswith(
        "; 2 parts more that compaction replaced"
    )


def test_the_store_of_the_settings_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["store", "list"]) == 1
    assert "no store is named. Type --store FOLDER" in capsys.readouterr().err
    fill(new_result_set(tmp_path / "kept"), (0, 3))
    (tmp_path / "inlay.toml").write_text('store = "kept"\nstore_mode = "read-only"\n')
    assert main(["store", "list"]) == 0
    assert "3 rows" in capsys.readouterr().out
    for command in (["compact"], ["gc", "--yes"], ["verify", "--quarantine"], ["import", str(tmp_path / "kept")]):
        assert main(["store", *command]) == 1
        assert "store_mode is 'read-only'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["gc", "--older-than", "90"], "--older-than is '90'; write a number and m, h, d or w"),
        (["gc", "--max-size", "10 apples"], "--max-size is '10 apples'"),
        (["gc", "--signature", "xyz"], "in hexadecimal digits"),
        (["import", "nowhere.tar"], "there is no file nowhere.tar"),
        (["import", "nowhere"], "there is no store at"),
        (["export", "."], "is the store itself"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(new_result_set(tmp_path), (0, 3))
    monkeypatch.chdir(tmp_path)
    assert main(["store", *command, "--store", str(tmp_path)]) == 1
    assert said in capsys.readouterr().err


def test_a_folder_that_is_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "verify", "--store", str(tmp_path)]) == 1
    assert "there is no store at" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_answered_inputs_are_for_their_owner_alone(tmp_path: Path) -> None:
    stores = [str(tmp_path / name) for name in ("here", "there")]
    before = os.umask(0o022)
    try:
        for text in ("a text", "another"):  # two parts, to be made one
            with inlay.connect(model="fake", store=stores[0], store_inputs=True) as con:
                con.execute("select ai_classify($1, ['bug', 'praise'])", [text]).fetchall()
        export = str(tmp_path / "export.tar")
        assert main(["store", "export", "--store", stores[0], export]) == 0
        assert main(["store", "import", "--store", stores[1], export]) == 0
        assert main(["store", "compact", "--store", stores[0]]) == 0
    finally:
        os.umask(before)
    parts = [path for store in stores for path in Path(store, "results").glob("ai_classify*/*.parquet")]
    holding = [path for path in parts if "inputs" in pq.read_schema(path).names]
    assert {path.parts[-4] for path in holding} == {"here", "there"}
    assert {path.stat().st_mode & 0o777 for path in holding} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in set(parts) - set(holding)} <= {0o644}
