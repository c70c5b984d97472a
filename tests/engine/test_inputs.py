"""Inputs are made once: how often a value is hashed, and values that are no texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import inlay
from inlay.backends import base
from inlay.client.connection import Connection
from inlay.functions.contract import Answers, Ask, Bound, Call, _own_texts
from inlay.functions.feelings import SENTENCES
from inlay.store import codecs, keys
from inlay.store.codecs import Codec, register
from inlay.store.inputs import Inputs, text_inputs

N = 1_000


@pytest.fixture
def digests(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is hashed for keys during the test."""
    hashed: list[bytes] = []
    sha256 = keys._sha256

    def counting(content: bytes) -> Any:
        hashed.append(content)
        return sha256(content)

    monkeypatch.setattr(keys, "_sha256", counting)
    return hashed


@pytest.fixture(params=["planned", "plain"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """con.execute() over a table of N distinct texts, each there twice."""
    options = {"model": "fake", "language_model": "fake-generate", "store": str(tmp_path / "store")}
    with inlay.connect(**options) as con:
        con.execute(f"create table t as select 'text ' || i as s from range({N}) r(i)")
        yield con if request.param == "planned" else con.duckdb


@pytest.mark.parametrize(
    ("call", "own_texts"),
    [
        ("ai_embed(s)", 0),
        ("ai_classify(s, ['bug', 'praise'])", 2 * 5),  # each label in five templates
        ("ai_sentiment(s)", sum(len(SENTENCES[name]) for name in ("positive", "negative", "neutral"))),
        ("ai_count_tokens(s)", 0),
    ],
)
def test_each_distinct_text_is_hashed_once(run: Any, digests: list[bytes], call: str, own_texts: int) -> None:
    _own_texts.cache_clear()
    run.execute(f"select {call} from t").fetchall()
    assert len(digests) == N + own_texts
    assert len(set(digests)) == len(digests)


def test_a_prompt_costs_one_digest_more_than_its_text(run: Any, digests: list[bytes]) -> None:
    run.execute("select ai_complete(s) from t").fetchall()
    # What is before and after each text is the same for all, and hashed once for each of the two batches.
    assert 2 * N < len(digests) <= 2 * N + 2 * 2


def test_a_pair_is_hashed_once_and_each_of_its_texts_once(run: Any, digests: list[bytes]) -> None:
    run.execute("select ai_filter(s, 'it is broken', model := 'fake-nli') from t").fetchall()
    # The statement is hashed once for each of at most two batches.
    assert 2 * N < len(digests) <= 2 * N + 2
    del digests[:]
    run.execute("select ai_filter(s, 'it is broken', threshold := 0.1) from t").fetchall()
    assert 2 * N < len(digests) <= 2 * N + 2


@pytest.mark.parametrize(
    "call",
    [
        "ai_filter(s, 'it is broken', model := 'fake-generate')",
        "ai_classify(s, ['bug', 'praise'], model := 'fake-generate')",
        "ai_extract(s, {'name': 'Who is it?'})",
        "ai_summarize(s)",
        "ai_agg(s, 'What is it about?')",
    ],
)
def test_a_prompt_takes_its_tag_from_the_digest_of_its_text(
    run: Any, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(base, "text_tag", lambda text: hashed.append(text) or "0" * 8)
    run.execute(f"select {call} from t").fetchall()
    assert set(hashed) <= {""}  # a prompt without its text, measured once for the room it leaves


def test_the_tag_of_an_input_is_the_tag_of_its_text() -> None:
    texts = ["", "text", "Zürich 🎉"]
    assert text_inputs(texts).tags() == [base.text_tag(text) for text in texts]


def test_a_planned_estimate_hashes_no_text_for_its_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "text_tag", lambda text: pytest.fail(f"{text!r} was hashed"))
    with inlay.connect(language_model="fake-generate") as con:
        con.execute("create table t as select 'text ' || i as s from range(100) r(i)")
        assert "100" in str(con.explain("select ai_filter(s, 'it is broken', model := 'fake-generate') from t"))


def test_what_repeats_is_hashed_once(run: Any, digests: list[bytes]) -> None:
    run.execute("select ai_embed('text ' || i % 500) from range(2000) r(i)").fetchall()
    assert len(digests) == 500


HEADER = """/*
summary = "The length of a vector."
args = [["numbers", "DOUBLE[]", "a vector"]]
options = ["model", "on_error"]
returns = "DOUBLE"
answer = "norm.bind"
example = "SELECT ai_norm([3, 4])"
*/
"""


def bind_norm(call: Call) -> Bound:
    def answer(inputs: Inputs, ask: Ask) -> Answers:
        norms = [float(np.linalg.norm(numbers)) for numbers in inputs.values()]
        failed = {place: "it is too long" for place, norm in enumerate(norms) if norm > 1_000}
        return Answers(
            [None if i in failed else norm for i, norm in enumerate(norms)], failed, np.zeros(len(norms), dtype=bool)
        )

    return Bound(answer, {"version": 1})


@pytest.fixture
def third_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a function over a type that the package does not know."""
    monkeypatch.setattr(codecs, "_codecs", dict(codecs._codecs))
    kind = pa.list_(pa.float64())
    register(Codec("vector", "DOUBLE[]", kind, lambda column: [json.dumps(v).encode() for v in column.to_pylist()]))
    module = ModuleType("inlay.functions.norm")
    module.bind = bind_norm  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "inlay.functions.norm", module)
    (tmp_path / "udfs").mkdir()
    (tmp_path / "udfs" / "ai_norm.sql").write_text(HEADER, "utf-8")
    return tmp_path / "udfs"


def test_values_of_a_third_type_go_the_whole_way(third_type: Path, tmp_path: Path) -> None:
    def connect() -> Connection:
        return inlay.connect(model="fake", store=str(tmp_path / "store"), functions_folders=[str(third_type)])

    rows = "(values ([3.0, 4.0]), ([0.0, 2.0]), (null), ([3.0, 4.0]), ([2000.0])) t(v)"
    rows = f"(select v::DOUBLE[] as v from {rows})"
    expected = [(5.0,), (2.0,), (None,), (5.0,), (None,)]
    for plain in (False, True):
        with connect() as con:
            run = con.duckdb if plain else con
            assert run.execute(f"select ai_norm(v) from {rows}").fetchall() == expected
            ledger = con.execute(
                'select "rows", distinct_inputs, known, inferred, failed from inlay_ledger()'
            ).fetchall()
            assert ledger == [(5, 3, 2, 0, 1) if plain else (5, 3, 0, 2, 1)]
            assert con.execute("select input, error from inlay_errors()").fetchall() == [("[2000.0]", "it is too long")]
    with connect() as con:
        assert con.execute(f"select count(*) from {rows} where ai_norm(v) > 1.5").fetchall() == [(3,)]
        with pytest.raises(inlay.InlayError, match=r"ai_norm: numbers is of type string; it must be DOUBLE\[\]"):
            con.execute("select ai_norm('x')").fetchall()
