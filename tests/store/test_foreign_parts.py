"""Parts that somebody else wrote, whole and with the right signature: what their question cannot have is no answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import inlay
from inlay.functions.possible_answers import are_answers
from inlay.store.care.exchange import Sent, read_store, take_in
from inlay.store.care.verify import verify_store
from inlay.store.folder import open_folder
from inlay.store.keys import signature
from inlay.store.part_writer import write_part
from inlay.store.results import Store

TEXT = "Ann wrote from Oslo, ann@oslo.example: the lamp broke."
FLOATS = pa.list_(pa.float32())
SCORES = pa.map_(pa.string(), pa.float64())
PIECES = pa.list_(
    pa.struct([("category", pa.string()), ("start", pa.int32()), ("length", pa.int32()), ("text", pa.string())])
)
LABELS = "[{'label': 'bug'}, {'label': 'other', 'description': 'none of these'}]"

CASES: dict[str, tuple[str, list[pa.Array]]] = {
    "ai_classify": (
        f"ai_classify(s, {LABELS})",
        [pa.array([each]) for each in ("nonsense", "BUG", "", "none of these")]
        + [pa.array([None], pa.string()), pa.array([1]), pa.array([["bug"]]), pa.array([b"bug"])],
    ),
    "ai_classify_multi": (
        f"ai_classify_multi(s, {LABELS}, threshold := 0.1)",
        [pa.array([["bug", "bug"]]), pa.array([["else"]]), pa.array([[None]], pa.list_(pa.string())), pa.array(["bug"])],
    ),
    "ai_sentiment": ("ai_sentiment(s)", [pa.array(["happy"]), pa.array(["mixed"]), pa.array([True])]),
    "ai_sentiment_by_aspect": (
        "ai_sentiment_by_aspect(s, ['price', 'light'])",
        [
            pa.array([pairs], pa.map_(pa.string(), pa.string()))
            for pairs in (
                [("price", "positive")],
                [("price", "fine"), ("light", "positive")],
                [("light", "positive"), ("price", "positive")],
            )
        ],
    ),
    "ai_filter": ("ai_filter(s, 'angry', model := 'fake-nli')", [pa.array(["yes"]), pa.array([1]), pa.array([None], pa.bool_())]),
    "ai_score": (
        "ai_score(s, 'angry', model := 'fake-nli')",
        [pa.array([each]) for each in (float("nan"), float("inf"), -0.1, 1.5)] + [pa.array([0.5], pa.float32())],
    ),
    "ai_similarity": ("ai_similarity(s, 'lamp')", [pa.array([1.01]), pa.array([float("nan")])]),
    "ai_rerank": ("ai_rerank('lamp', s, model := 'fake-rerank')", [pa.array([2.0])]),
    "ai_extract": (
        "ai_extract(s, 'STRUCT(name VARCHAR, age INTEGER)')",
        [
            pa.array([each])
            for each in ("{", '{"name": "Ann"}', '{"name": "Ann", "age": "4"}', '{"name": 1, "age": 1}', '{"name": "A", "age": 1.5}')
        ],
    ),
    "ai_complete": ("ai_complete(s)", [pa.array([each]) for each in ("", " \n", "<think>so</think>yes", "a\0b")]),
    "ai_summarize": ("ai_summarize(s)", [pa.array([" "]), pa.array(["[THINK]it"])]),
    "ai_redact": ("ai_redact(s)", [pa.array([""])]),
    "ai_detect_pii": (
        "ai_detect_pii(s)",
        [
            pa.array([[{"category": category, "start": start, "length": length, "text": text}]], PIECES)
            for category, start, length, text in (
                ("name", 1, 3, "Ann"), ("email", 0, 3, "Ann"), ("email", 1, 4, "Ann"), ("email", 1, 0, ""),
                ("email", None, 3, "Ann"), ("email", 1, 3, None),
            )
        ],
    ),
    "vectors": (
        "ai_embed(s)",
        [
            pa.array([each], FLOATS)
            for each in ([1.0] * 7, [1.0] * 9, [], None, [float("nan")] * 8, [1.0] * 7 + [None], [3e38] * 8)
        ]
        + [pa.array([[1.0] * 8], pa.list_(pa.float64())), pa.array(["1,2"])],
    ),
}  # fmt: skip
"""By the name of a result set: a call, and values that none of its answers has."""


def texts(name: str) -> list[str]:
    """One for each value, and one more."""
    return [f"{TEXT} {i}" for i in range(len(CASES[name][1]) + 1)]


def answered(name: str, store: Path | None, call: str = "") -> tuple[list[Any], int]:
    """(the answers to the texts, how many inputs were inferred for them)."""
    kept = None if store is None else str(store)
    with inlay.connect(model="fake", language_model="fake-generate", store=kept) as con:
        query = (
            f"select {call or CASES[name][0]} from (select unnest(?) as s, generate_subscripts(?, 1) as i) order by i"
        )
        answers = [answer for (answer,) in con.execute(query, [texts(name), texts(name)]).fetchall()]
        ((inferred,),) = con.execute("select sum(inferred) from inlay_ledger()").fetchall()
    return answers, inferred


def result_set_of(store: Path, name: str) -> Path:
    (found,) = (store / "results").glob(f"{name}-*")
    return found


def findings(store: Path) -> list[str]:
    return [name for report in verify_store(open_folder(str(store)), are_answers) for name, _ in report.findings]


def rewrite(folder: Path, change: Callable[[pa.Table, int], pa.Table | None]) -> list[str]:
    """A part for each row, as somebody writes it who knows how: change() is given the row and its number, and returns
    what takes its place. Returns the names of those that it changed."""
    signature = json.loads((folder / "manifest.json").read_text())["signature"]
    table = pa.concat_tables([pq.read_table(path).replace_schema_metadata(None) for path in folder.glob("*.parquet")])
    for path in folder.glob("*.parquet"):
        path.unlink()
    changed = []
    for number in range(len(table)):
        row = table.slice(number, 1)
        other = change(row, number)
        name = write_part(open_folder(str(folder)), row if other is None else other, signature)
        changed += [] if other is None else [name]
    return changed


def with_column(row: pa.Table, name: str, value: pa.Array) -> pa.Table:
    return row.set_column(row.schema.get_field_index(name), name, value)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, list[Any]]]:
    @cache
    def made(name: str) -> tuple[Path, list[Any]]:
        store = tmp_path_factory.mktemp(name)
        answers, _ = answered(name, store)
        for other in (store / "results").iterdir():  # of which the answers would be made without a model
            if not other.name.startswith(f"{name}-"):
                shutil.rmtree(other)
        return store, answers

    return made


@pytest.mark.parametrize("name", CASES)
def test_a_value_that_no_answer_has_is_none(
    tmp_path: Path, stores: Callable[[str], tuple[Path, list[Any]]], name: str
) -> None:
    good, expected = stores(name)
    assert findings(good) == []
    assert answered(name, good) == (expected, 0)
    values = CASES[name][1]
    shutil.copytree(good, tmp_path / "bad")
    changed = rewrite(
        result_set_of(tmp_path / "bad", name),
        lambda row, i: with_column(row, "value", values[i]) if i < len(values) else None,
    )
    assert len(changed) == len(values)
    assert sorted(findings(tmp_path / "bad")) == sorted(changed)
    into = Store(str(tmp_path / "into")).folder
    taken = take_in(into, read_store(open_folder(str(tmp_path / "bad")), Sent()), are_answers)
    assert sorted(path.rpartition("/")[2] for path, _ in taken.refused) == sorted(changed)
    assert answered(name, tmp_path / "bad") == (expected, len(values))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("confidence", pa.array([float("nan")])),
        ("confidence", pa.array(["high"])),
        ("scores", pa.array([[("bug", float("nan"))]], SCORES)),
        ("scores", pa.array([[("else", 0.5)]], SCORES)),
        ("scores", None),
    ],
)
def test_what_stands_beside_a_value_is_looked_at_too(
    tmp_path: Path, stores: Callable[[str], tuple[Path, list[Any]]], column: str, value: pa.Array | None
) -> None:
    shutil.copytree(stores("ai_classify")[0], tmp_path / "bad")
    rewrite(
        result_set_of(tmp_path / "bad", "ai_classify"),
        lambda row, _: row.drop_columns([column]) if value is None else with_column(row, column, value),
    )
    n = len(texts("ai_classify"))
    assert len(findings(tmp_path / "bad")) == n
    call = f"try_ai_classify(s, {LABELS})"
    assert answered("ai_classify", tmp_path / "bad", call) == (answered("ai_classify", None, call)[0], n)


def test_a_manifest_that_does_not_say_what_answers_may_be_is_a_finding(tmp_path: Path) -> None:
    question = {"function": "ai_extract", "model": "x"}
    store = Store(str(tmp_path))
    result_set = store.result_set("ai_extract", signature(question), question, {})
    result_set.publish([b"k" * 32], pa.table({"value": ["{}"]}))
    ((_, reason),) = [found for report in verify_store(store.folder, are_answers) for found in report.findings]
    assert "what its answers may be" in reason


def test_numbers_without_their_model_have_one_width(tmp_path: Path) -> None:
    manifest = {"question": {"numbers": 1, "prompt": ""}}
    rows = pa.table({"value": pa.array([[1.0, 2.0], [1.0], None, [3.0, np.nan]], FLOATS)})
    assert are_answers(manifest, rows).tolist() == [True, False, False, False]
    assert are_answers(manifest | {"width": 1}, rows).tolist() == [False, True, False, False]
    choices = {"question": {"numbers": 1, "prompt": {"options": ["yes"]}}}
    assert are_answers(choices, rows).tolist() == [False, True, False, False]
