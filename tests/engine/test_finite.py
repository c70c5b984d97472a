"""Numbers that are no numbers: the row fails, whatever function they were for, and nothing of them is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inlay
from inlay.arrays import Floats
from inlay.backends.base import Encoded, Instruction
from inlay.backends.decoders.replies import Draft, Language, chosen
from inlay.backends.fake import NAN
from inlay.engine.answers import NOT_FINITE, Numbers
from inlay.engine.question import numbers_question
from inlay.engine.resolve import resolve
from inlay.models.describe import describe
from inlay.settings.read import read_settings
from inlay.store.inputs import text_inputs
from inlay.store.results import Store
from support import asking

CALLS_OF_NUMBERS = {
    "ai_embed(s)": "fake",
    "ai_similarity(s, 'b')": "fake",
    "ai_classify(s, ['bug', 'praise'])": "fake",
    "ai_classify_multi(s, ['bug', 'praise'], threshold := -1)": "fake",
    "ai_filter(s, 'angry', threshold := -1)": "fake",
    "ai_score(s, 'angry')": "fake",
    "ai_sentiment(s)": "fake",
    "ai_classify(s)": "fake-classify",
    "ai_classify_multi(s, ['x'], threshold := 0)": "fake-nli",
    "ai_filter(s, 'angry')": "fake-nli",
    "ai_rerank('a', s)": "fake-rerank",
    "ai_classify(s, ['bug', 'happy'])": "fake-generate",
    "ai_filter(s, 'rude')": "fake-generate",
    "ai_score(s, 'rude')": "fake-generate",
    "ai_sentiment(s) || ''": "fake-generate",
}


@pytest.mark.parametrize(("call", "model"), CALLS_OF_NUMBERS.items())
def test_a_row_of_numbers_that_are_not_finite_fails_alone(call: str, model: str, tmp_path: Path) -> None:
    values = f"(values ('good'), ('{NAN} bad')) v(s)"
    for _ in range(2):  # nothing of it is stored: the second connection fails it as well
        with inlay.connect(model=model, store=str(tmp_path)) as con:
            sql = f"select s, {call} from {values} order by s desc"
            for execute in (con.execute, con.duckdb.execute):
                rows = execute(sql).fetchall()
                assert rows[0][1] is not None
                assert rows[1][1] is None
            listed = con.execute("select input, error from inlay_errors()").fetchall()
            assert [error for _, error in listed] == [NOT_FINITE] * 2
    with pytest.raises(Exception, match="not finite"):
        inlay.connect(model=model, on_error="raise").execute(f"select {call} from {values}").fetchall()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 3e38])
def test_what_counts_as_finite(number: float) -> None:
    rows: Floats = np.array([[1, 2, 3], [1, number, 3], [0, 0, 0]], dtype=np.float32)
    assert Numbers(3).faults(rows) == {1: NOT_FINITE}


def test_numbers_that_an_earlier_version_stored_are_computed_again(tmp_path: Path) -> None:
    model = describe(read_settings(environment={}).models["fake"])
    question, inputs = numbers_question(model), text_inputs(["a", "b"])
    store = Store(str(tmp_path), "read-write")
    bad = np.full((2, model.width), np.nan, dtype=np.float32)
    question.result_set_in(store).publish(inputs.keys, question.answers.to_table(bad))
    work = asking.work()
    found = resolve(question, inputs, type(work)(work.executor, work.cache, Store(str(tmp_path), "read-write")))
    assert np.isfinite(found.rows).all()
    assert not found.errors
    assert not found.known.any()


def draft() -> Draft:
    language = Language(lambda ids: " ".join(map(str, ids)), frozenset({9}))
    return Draft(0, Encoded(np.array([1, 2], dtype=np.int32)), Instruction(), language, None)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_reply_ends_where_its_numbers_do(number: float, temperature: float) -> None:
    """Without a look at them the likeliest token would be the first of those that are NaN."""
    drafts: list[Any] = [draft(), draft()]
    for each in drafts:
        each._draws = np.random.default_rng(0)
    logits = torch.zeros((2, 12))
    logits[:, 5] = 50.0
    logits[:, 7] = -torch.inf  # what a schema forbids
    logits[1, 4] = number
    tokens = chosen(drafts, logits, temperature)
    assert tokens[0] == 5
    assert not drafts[0].take(tokens[0])
    assert drafts[1].take(tokens[1])
    assert drafts[1].reply().reason == "the model's numbers are not finite after 0 tokens of the reply"
