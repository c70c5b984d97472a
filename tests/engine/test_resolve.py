"""Answers are kept under their own inputs, in whichever order an executor finishes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import inlay
from inlay.cli.main import main
from inlay.engine.question import Question, numbers_question
from inlay.engine.resolve import Finished, Work, resolve
from inlay.engine.result_cache import ResultCache
from inlay.models.describe import describe
from inlay.settings.read import read_settings
from inlay.store.inputs import Inputs, text_inputs

MODEL = describe(read_settings(environment={}).models["fake"])
TEXTS = [f"text {i}" for i in range(20)]


class Backwards:
    """Answers each text with its number, the last ones first; of some the row fails."""

    claims = True

    def __init__(self, batch: int, failing: tuple[str, ...] = ()) -> None:
        self.batch, self.failing = batch, failing
        self.asked: list[str] = []

    def run(self, question: Question, inputs: Inputs, work: Work) -> Iterator[Finished]:
        texts = inputs.values()
        self.asked += texts
        order = np.arange(len(texts))[::-1]
        for start in range(0, len(order), self.batch):
            places = order[start : start + self.batch]
            bad = {int(place): "refused" for place in places if texts[place] in self.failing}
            good = np.array([place for place in places if int(place) not in bad], dtype=np.int64)
            rows = np.array([[float(texts[place].split()[1])] * MODEL.width for place in good], dtype=np.float32)
            yield Finished(good, rows.reshape(len(good), MODEL.width), bad)


@pytest.mark.parametrize("batch", [1, 7, 20])
def test_rows_come_back_to_their_inputs(batch: int) -> None:
    executor = Backwards(batch, failing=("text 3",))
    work = Work(executor, ResultCache(10**6))
    question = numbers_question(MODEL)
    asked = [*TEXTS, *TEXTS[5:9]]
    for known in (False, True):
        found = resolve(question, text_inputs(asked), work)
        assert [row[0] for row in found.rows] == [0.0 if text == "text 3" else float(text.split()[1]) for text in asked]
        assert found.errors == {3: "refused"}
        assert found.known.tolist() == [known and text != "text 3" for text in asked]
    assert executor.asked == [*TEXTS, "text 3"]


@pytest.mark.parametrize(
    "call",
    [
        "ai_filter(s, p, model := 'fake-generate')",  # pairs, read text by text
        "ai_classify_multi(s, ['a', 'b', 'c'], model := 'fake-generate')",
        "ai_complete(s || p, model := 'fake-generate')",
        "ai_similarity(s, p)",
        "ai_embed(s)",
    ],
)
def test_stored_inputs_give_their_keys(tmp_path: Path, call: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path / "store")
    with inlay.connect(model="fake", store=store, store_inputs=True) as con:
        con.execute("create table t as select 'text ' || (i * 7 % 30) as s, 'about ' || i % 4 as p from range(90) r(i)")
        con.execute(f"select {call} from t").fetchall()
    assert main(["store", "verify", "--store", store]) == 0, capsys.readouterr().out
