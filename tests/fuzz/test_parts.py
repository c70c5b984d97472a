"""Parts of a store with bytes changed, cut out, put in or doubled: never a wrong row, and no error that is not ours.
`make fuzz` changes 10,000 parts, the test suite 300; FUZZ_RUNS and FUZZ_SEED choose others."""

from __future__ import annotations

import contextlib
import os
import random
from pathlib import Path

import pyarrow as pa
import pytest

from inlay.functions.possible_answers import are_answers
from inlay.store.care.verify import check_part
from inlay.store.folder import open_folder
from inlay.store.keys import input_keys, key_column
from inlay.store.part_writer import write_part
from inlay.store.parts import KEY, DamagedPart, part_name
from inlay.store.result_set import ResultSet

RUNS = int(os.environ.get("FUZZ_RUNS", "300"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
AT_A_TIME = 50

SIGNATURE = "0" * 64
N = 60
KEYS = input_keys([[str(i) for i in range(N)]])
TABLES = {
    "texts": pa.table({"value": [f"value {i % 7}" for i in range(N)], "confidence": [i / N for i in range(N)]}),
    "vectors": pa.table({"value": pa.array([[float(i)] * 8 for i in range(N)], pa.list_(pa.float32()))}),
    "maps": pa.table({"value": pa.array([[("a", f"{i}")] for i in range(N)], pa.map_(pa.string(), pa.string()))}),
}


def changed(random_: random.Random, raw: bytes) -> bytes:
    """Half of the changes are in the last kilobyte, where the footer is."""
    at = random_.randrange(max(0, len(raw) - 1_000) if random_.random() < 0.5 else 0, len(raw))
    kind = random_.choice(["flip", "byte", "cut", "tail", "insert", "double", "zeros"])
    length = random_.randint(1, 64)
    return {
        "flip": lambda: raw[:at] + bytes([raw[at] ^ (1 << random_.randrange(8))]) + raw[at + 1 :],
        "byte": lambda: raw[:at] + random_.randbytes(1) + raw[at + 1 :],
        "cut": lambda: raw[:at] + raw[at + length :],
        "tail": lambda: raw[:at],
        "insert": lambda: raw[:at] + random_.randbytes(length) + raw[at:],
        "double": lambda: raw[:at] + raw[at : at + length] * 2 + raw[at + length :],
        "zeros": lambda: raw[:at] + bytes(min(length, len(raw) - at)) + raw[at + length :],
    }[kind]()


def wrong_rows(folder: Path, table: pa.Table) -> int:
    """Rows found that are not what was written; others may be unknown."""
    result_set = ResultSet(open_folder(str(folder)), SIGNATURE, {}, {})
    result_set.refresh()
    positions, found = result_set.find(KEYS, table.schema)
    if found is None:
        return 0
    return sum(
        found.slice(i, 1).to_pylist() != table.slice(at, 1).to_pylist() for i, at in enumerate(positions.tolist())
    )


@pytest.mark.parametrize("start", range(0, RUNS, AT_A_TIME))
def test_no_change_of_a_part_gives_a_wrong_row(tmp_path: Path, start: int) -> None:
    whole = {}
    for name, table in TABLES.items():
        folder = tmp_path / name
        schema = pa.schema([KEY, *table.schema])
        part = write_part(
            open_folder(str(folder)), pa.table([key_column(KEYS), *table.columns], schema=schema), SIGNATURE
        )
        whole[name] = part, (folder / part).read_bytes()
    for number in range(start, min(start + AT_A_TIME, RUNS)):
        random_ = random.Random(SEED * 1_000_003 + number)
        name = random_.choice(list(TABLES))
        part, raw = whole[name]
        now = changed(random_, raw)
        # As damage does it, under its own name; and as someone who means it, under the name that its bytes give.
        (tmp_path / name / part).write_bytes(now)
        assert wrong_rows(tmp_path / name, TABLES[name]) == 0, f"run {number}"
        (tmp_path / name / part).unlink()
        with contextlib.suppress(DamagedPart):
            check_part(pa.BufferReader(now), part_name(now), f"ai_classify-{SIGNATURE[:32]}", None, are_answers)
        (tmp_path / name / part).write_bytes(raw)
