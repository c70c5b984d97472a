"""Whatever text comes, one row in gives one row out, in order, and nothing is invented."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import inlay
from inlay.backends.base import Instruction, Reply
from inlay.backends.fake import FAIL, NEVER_FITS, OOM
from inlay.backends.whole_reply import NotWhole, whole
from inlay.client.connection import Connection
from inlay.engine.batches import cut_batches
from inlay.engine.distinct import EXACT_LIMIT, DistinctCounter
from inlay.engine.resolve import Usage
from inlay.execution.ledger import Ledger
from inlay.execution.session import Session
from inlay.models.describe import describe
from inlay.settings.read import read_settings
from inlay.store.keys import input_keys, key_matrix, signature

FAILING = st.sampled_from([FAIL, NEVER_FITS, f"before {FAIL}", f"{OOM} fits alone"])
TEXTS = st.lists(
    st.one_of(st.none(), st.text(max_size=40), FAILING, st.sampled_from(["", " ", "👩‍👩‍👧", "\u202eabc", "\x00"])),
    max_size=40,
)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def con() -> Iterator[Connection]:
    with inlay.connect(model="fake") as connection:
        yield connection


def ask(con: Connection, call: str, texts: list[str | None]) -> list[Any]:
    table = pa.table({"i": pa.array(range(len(texts)), pa.int64()), "s": pa.array(texts, pa.string())})
    con.register("given", table)
    try:
        return [value for (value,) in con.execute(f"select {call} from given order by i").fetchall()]
    finally:
        con.unregister("given")


@MANY
@given(TEXTS)
def test_one_answer_a_row_in_order_and_null_only_for_null_or_failed(con: Connection, texts: list[str | None]) -> None:
    answers = ask(con, "ai_classify(s, ['a', 'b', 'c'])", texts)
    assert len(answers) == len(texts)
    for text, answer in zip(texts, answers, strict=True):
        lost = text is None or not text.strip() or FAIL in text or NEVER_FITS in text
        assert (answer is None) == lost
        assert lost or answer in ("a", "b", "c")


@MANY
@given(TEXTS)
def test_equal_texts_have_equal_answers_and_try_says_the_same(con: Connection, texts: list[str | None]) -> None:
    plain = ask(con, "ai_embed(s)", texts)
    tried = ask(con, "try_ai_embed(s)", texts)
    by_text: dict[str, Any] = {}
    for text, value, detail in zip(texts, plain, tried, strict=True):
        if text is None or not text.strip():
            assert value is None
            assert detail is None
            continue
        assert detail["value"] == value
        assert (detail["error"] is None) == (value is not None)
        assert by_text.setdefault(text, value) == value


@MANY
@given(TEXTS)
def test_a_rows_answer_does_not_depend_on_its_company(con: Connection, texts: list[str | None]) -> None:
    together = ask(con, "ai_embed(s)", texts)
    for text, value in zip(texts, together, strict=True):
        assert ask(con, "ai_embed(s)", [text]) == [value]


@pytest.mark.parametrize("texts", [[], [None], [None, None], ["one"], [""]])
def test_few_rows(con: Connection, texts: list[str | None]) -> None:
    answers = ask(con, "ai_embed(s)", texts)
    assert [answer is None for answer in answers] == [not (text or "").strip() for text in texts]


def test_a_megabyte_of_text_is_cut_and_its_neighbours_are_not(con: Connection) -> None:
    long = "ä" * 500_000
    assert ask(con, "ai_count_tokens(s)", [long, "ab", None]) == [1_000_001, 3, None]
    first, second = ask(con, "ai_embed(s)", [long, "ab"])
    assert second == ask(con, "ai_embed(s)", ["ab"])[0]
    assert first is not None


def test_a_reply_with_a_lone_surrogate_is_no_answer() -> None:
    # DuckDB's strings are valid UTF-8, and so are Arrow's: only a server's JSON can bring one.
    with pytest.raises(NotWhole, match="is no text"):
        whole(Instruction(), "a", Reply("a\ud800b"))
    assert whole(Instruction(), "a", Reply("a\U0001f600b")) == Reply("a\U0001f600b")


def test_a_session_answers_arrow_columns_without_duckdb() -> None:
    session = Session(read_settings({"model": "fake"}, environment={}))
    answers = session.answer("ai_classify", [pa.array(["x", None, "x"])], ["a", "b"], {})
    assert answers.null_count == 1
    assert answers[0] == answers[2]


@MANY
@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=12, unique=True))
def test_keys_differ_where_inputs_differ(pairs: list[tuple[str, str]]) -> None:
    keys = input_keys([[a for a, _ in pairs], [b for _, b in pairs]])
    assert len(set(keys)) == len(pairs)


@MANY
@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_every_way_to_cut_a_text_in_two_has_a_key_of_its_own(text: str) -> None:
    cuts = range(len(text) + 1)
    keys = input_keys([[text[:cut] for cut in cuts], [text[cut:] for cut in cuts]])
    assert len(set(keys)) == len(cuts)


def test_a_signature_does_not_depend_on_the_order_of_its_parts_but_on_each() -> None:
    assert signature({"a": 1, "b": "x"}) == signature({"b": "x", "a": 1})
    assert len({signature({"a": 1}), signature({"a": 2}), signature({"b": 1}), signature({"a": "1"})}) == 4


@MANY
@given(st.lists(st.integers(1, 600), min_size=1, max_size=200), st.integers(1, 2000))
def test_batches_hold_every_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = cut_batches(np.array(lengths), budget)
    assert sorted(int(row) for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = max(lengths[row] for row in batch) * len(batch)
        assert padded <= budget or len(batch) == 1


def test_what_is_known_inferred_and_failed_adds_up_to_the_distinct_inputs() -> None:
    ledger = Ledger()
    for n, may_differ in ((EXACT_LIMIT, 0.0), (5 * EXACT_LIMIT, 0.002)):
        model = describe(read_settings(environment={}).models["fake"])
        entry = ledger.begin(n, "ai_x", model, "", n)
        for start in range(0, n, 10_000):
            keys = key_matrix(input_keys([[str(i) for i in range(start, start + 10_000)]]))
            known = np.arange(10_000) < 2_500
            ledger.count(entry, keys, known, {9_999: "broken"} if start == 0 else {}, Usage(), model)
        (row,) = ledger.rows(n)
        assert row.failed == 1
        assert row.known + row.inferred + row.failed == row.distinct_inputs
        assert abs(row.known - n / 4) <= may_differ * n and abs(row.inferred - 0.75 * n) <= 1 + may_differ * n


def test_distinct_inputs_are_counted_exactly_then_within_a_thousandth() -> None:
    counter = DistinctCounter()
    n = 3 * EXACT_LIMIT
    for start in range(0, n, 10_000):
        keys = input_keys([[str(i) for i in range(start, start + 10_000)]])
        counter.add(keys)
        counter.add(keys)
        if start + 10_000 <= EXACT_LIMIT:
            assert len(counter) == start + 10_000
    # Linear counting over 2**23 bits: the standard error at this load is far below 0.1 %.
    assert abs(len(counter) - n) < n / 1000
