"""Many threads over the same texts: no deadlock, every distinct text computed once, every answer the right one."""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import numpy as np
import pytest

import inlay
from inlay.backends.fake import CALLS, FAIL, NEVER_FITS, OOM, FakeBackend, fake_row
from inlay.errors import RowsFailedError

DEADLOCK_S = 60.0


def at_once(*jobs: Callable[[], object]) -> list[Any]:
    """What each job gave, all begun at the same time; fails with every thread's stack when one does not end."""
    start = threading.Barrier(len(jobs))
    results: list[Any] = [None] * len(jobs)

    def run(place: int, job: Callable[[], object]) -> None:
        start.wait()
        try:
            results[place] = job()
        except BaseException as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=entry, daemon=True) for entry in enumerate(jobs)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + DEADLOCK_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        faulthandler.dump_traceback(sys.stderr)
        pytest.fail(f"not finished after {DEADLOCK_S:.0f} s")
    return results


def asks(con: Any, sql: str) -> Callable[[], Any]:
    return lambda: con.execute(sql).fetchall()


def vector(text: str) -> list[float]:
    """What the fake embedding model answers, computed without inlay's engine."""
    row = fake_row(text, 8)
    return [float(x) for x in row / np.linalg.norm(row)]


def make_texts(con: Any, n_rows: int, distinct: int, *, table: str = "texts") -> None:
    """Rows in groups of 2,048, so that as many DuckDB threads as there are groups call at the same time."""
    con.execute("ATTACH IF NOT EXISTS ':memory:' AS small (ROW_GROUP_SIZE 2048)")
    con.execute(
        f"CREATE TABLE small.{table} AS SELECT i, concat('text ', (i * 7919) % {distinct}) AS s FROM range({n_rows}) r(i)"
    )


# How many rows got another vector than the one that is expected for their text.
WRONG = """
    SELECT count(*) FILTER (answers.v IS NULL OR list_distance(answers.v, expected.v) > 1e-6), count(*)
    FROM (SELECT s, ai_embed(s) AS v FROM small.texts) AS answers JOIN expected USING (s)
"""


def expect(con: Any, distinct: int) -> None:
    con.execute("CREATE TABLE expected (s VARCHAR, v FLOAT[])")
    texts = [f"text {i}" for i in range(distinct)]
    con.execute("INSERT INTO expected SELECT unnest(?), unnest(?)", [texts, [vector(text) for text in texts]])


@pytest.fixture
def con() -> Iterator[Any]:
    with inlay.connect(model="fake") as con:
        yield con


@pytest.mark.parametrize("threads", [1, 2, 8, 64])
def test_each_distinct_text_runs_once_however_many_threads_duckdb_has(con: Any, threads: int) -> None:
    con.execute(f"SET threads = {threads}")
    make_texts(con, 64 * 2048, 500)
    expect(con, 500)
    before = CALLS["rows"]
    (wrong,) = at_once(asks(con, WRONG))
    assert wrong == [(0, 64 * 2048)]
    assert CALLS["rows"] - before == 500


def test_connections_and_threads_over_the_same_texts_share_the_work(con: Any) -> None:
    con.execute("SET threads = 4")
    make_texts(con, 8 * 2048, 2_000)
    expect(con, 2_000)
    before = CALLS["rows"]
    cursors = [con.cursor() for _ in range(8)]
    assert at_once(*(asks(cursor, WRONG) for cursor in cursors)) == [[(0, 8 * 2048)]] * 8
    assert CALLS["rows"] - before == 2_000
    known, inferred = con.execute("SELECT sum(known), sum(inferred) FROM inlay_ledger()").fetchall()[0]
    assert (known + inferred, inferred >= 2_000) == (8 * 2_000, True)


def test_threads_that_take_the_texts_in_opposite_order_do_not_wait_for_each_other_in_a_circle(con: Any) -> None:
    make_texts(con, 4 * 2048, 4 * 2048)
    orders = ["i", "i DESC", "hash(i)", "hash(i) DESC"] * 3
    before = CALLS["rows"]
    sql = "SELECT count(ai_embed(s)) FROM (FROM small.texts ORDER BY {})"
    counted = at_once(*(asks(con.cursor(), sql.format(order)) for order in orders))
    assert counted == [[(4 * 2048,)]] * len(orders)
    assert CALLS["rows"] - before == 4 * 2048


def test_databases_of_one_process_share_the_model_and_nothing_else() -> None:
    with inlay.connect(model="fake") as one, inlay.connect(model="fake") as two:
        for con in (one, two):
            make_texts(con, 4 * 2048, 1_000)
            expect(con, 1_000)
        before = CALLS["rows"]
        assert at_once(*(asks(con, WRONG) for con in (one, two))) == [[(0, 4 * 2048)]] * 2
        assert CALLS["rows"] - before == 2 * 1_000
        assert one.execute("SELECT count(*) FROM inlay_ledger()").fetchall() == [(1,)]


def test_several_functions_and_models_in_many_threads(con: Any) -> None:
    con.execute("SET threads = 16")
    make_texts(con, 16 * 2048, 300)
    sql = """
        SELECT count(ai_classify(s, ['a', 'b'])), count(ai_classify(s, ['a', 'b'], model := 'fake-nli')),
            count(ai_sentiment(s)), count(ai_score(s, 'good')), count(ai_rerank(s, 'x', model := 'fake-rerank')),
            count(ai_similarity(s, 'text 1')), count(ai_count_tokens(s)), count(ai_classify(s, model := 'fake-classify'))
        FROM small.texts
    """
    results = at_once(*(asks(con.cursor(), sql) for _ in range(4)))
    assert results == [[(16 * 2048,) * 8]] * 4


def test_a_waiting_query_takes_over_from_one_that_is_interrupted(con: Any) -> None:
    texts = "range(4_000) r(i)"
    sql = f"SELECT count(ai_embed(concat('text ', i, if(i % 700 = 0, ' <<slow>>', '')))) FROM {texts}"
    first, second = con.cursor(), con.cursor()

    def interrupt() -> None:
        time.sleep(0.5)
        first.interrupt()

    ends = at_once(asks(first, sql), asks(second, sql), interrupt)
    assert isinstance(ends[0], duckdb.InterruptException) or ends[0] == [(4_000,)]
    assert ends[1] == [(4_000,)]


# Rows that fail


def with_markers(n: int) -> list[str]:
    """Every hundredth text fails, does not fit beside others, or never fits."""
    markers = {10: FAIL, 40: OOM, 70: NEVER_FITS}
    return [f"text {i} {markers.get(i % 100, '')}" for i in range(n)]


@pytest.mark.parametrize("threads", [1, 8])
def test_failing_rows_fail_alone(con: Any, threads: int) -> None:
    con.execute(f"SET threads = {threads}")
    con.execute("ATTACH ':memory:' AS small (ROW_GROUP_SIZE 2048)")
    texts = with_markers(4 * 2048)
    con.execute("CREATE TABLE small.texts AS SELECT unnest(?) AS s", [texts])
    sql = "SELECT s, v.value, v.error FROM (SELECT s, try_ai_embed(s) AS v FROM small.texts)"
    (rows,) = at_once(asks(con, sql))
    assert sorted(row[0] for row in rows) == sorted(texts)
    answered = [(text, value) for text, value, error in rows if error is None]
    assert {text for text, _ in answered} == {text for text in texts if FAIL not in text and NEVER_FITS not in text}
    expected = np.array([vector(text) for text, _ in answered])
    np.testing.assert_allclose(np.array([value for _, value in answered]), expected, atol=1e-6)
    assert {(FAIL in text, value, error) for text, value, error in rows if error is not None} == {
        (True, None, "ValueError: the fake model was asked to fail"),
        (False, None, "out of memory on fake: the fake device has no room"),
    }


def test_a_text_that_fails_fails_in_every_query_that_asks_for_it(con: Any) -> None:
    sql = f"SELECT (try_ai_embed(s)).error IS NULL FROM (VALUES ('a'), ('{FAIL}'), ('b')) v(s)"
    ends = at_once(*(asks(con.cursor(), sql) for _ in range(6)))
    assert ends == [[(True,), (False,), (True,)]] * 6
    assert con.execute("SELECT sum(failed) FROM inlay_ledger()").fetchall() == [(6,)]


def test_on_error_raise_names_up_to_five_rows(con: Any) -> None:
    sql = (
        "SELECT ai_embed(if(i < {}, concat('row ', i, ' <<fail>>'), 'fine'), on_error := 'raise') FROM range(100) r(i)"
    )
    with pytest.raises(RowsFailedError) as few:
        con.execute(sql.format(2)).fetchall()
    assert "ai_embed: 2 distinct inputs failed: 'row 0 <<fail>>': ValueError" in str(few.value)
    assert "more" not in str(few.value)
    with pytest.raises(RowsFailedError, match=r"7 distinct inputs failed: .*'row 4 <<fail>>'.* \(and 2 more\)") as many:
        con.execute(sql.format(7)).fetchall()
    assert "'row 5" not in str(many.value)


def test_an_error_of_the_engine_itself_reaches_every_caller(con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBackend, "run", lambda self, tokens: np.zeros((0, 8), dtype=np.float32))
    ends = at_once(*(asks(con.cursor(), f"SELECT ai_embed('{i}')") for i in range(4)))
    assert all(isinstance(end, IndexError) for end in ends)  # as it is: nobody knows it
    monkeypatch.undo()
    assert con.execute("SELECT ai_embed('0') IS NULL").fetchall() == [(False,)]


# Memory


@pytest.mark.parametrize("memory_mb", [0, 1])
@pytest.mark.parametrize("threads", [1, 8])
def test_answers_stay_right_when_memory_is_too_small_for_them(memory_mb: int, threads: int) -> None:
    with inlay.connect(model="fake", memory_mb=memory_mb) as con:
        session = inlay.attach(con)
        con.execute(f"SET threads = {threads}")
        make_texts(con, 8 * 2048, 10_000)
        expect(con, 10_000)
        assert at_once(*(asks(con.cursor(), WRONG) for _ in range(3))) == [[(0, 8 * 2048)]] * 3
        # 230 bytes an answer, so 1 MB holds some 4,300 of the 10,000; the last block stays in any case.
        assert len(session.cache) <= max(memory_mb * 4_400, 2_048)
        before = CALLS["rows"]
        assert at_once(asks(con, WRONG)) == [[(0, 8 * 2048)]]
        assert CALLS["rows"] > before


def test_a_large_enough_memory_answers_the_second_time_without_the_model(con: Any) -> None:
    make_texts(con, 8 * 2048, 5_000)
    expect(con, 5_000)
    con.execute(WRONG).fetchall()
    before = dict(CALLS)
    assert con.execute(WRONG).fetchall() == [(0, 8 * 2048)]
    assert dict(CALLS) == before
