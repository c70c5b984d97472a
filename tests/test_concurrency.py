"""DuckDB calls the functions from all its threads at once; people open several connections; nothing ever hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

import inlay
from inlay.backends.fake import FAIL, OOM

# Several row groups (122,880 rows each), so that DuckDB really runs several threads; few distinct texts, so that the
# threads want the same ones.
ROWS = 400_000
DISTINCT = 5_000


def within(seconds: float, work: Callable[[], None]) -> None:
    """Fails, rather than hangs, where the work does."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"still running after {seconds} s"
    if failures:
        raise failures[0]


@pytest.mark.parametrize("threads", [1, 2, 8, 64])
def test_each_distinct_text_runs_once_whatever_the_threads(calls: dict[str, int], threads: int) -> None:
    def work() -> None:
        with inlay.connect(model="fake") as con:
            con.execute(f"set threads = {threads}")
            con.execute(f"create table t as select 'text ' || (i % {DISTINCT}) as s from range({ROWS}) r(i)")
            con.execute("create table u as select s, ai_classify(s, ['a', 'b', 'c']) as k from t")
            assert con.execute("select count(*), count(k), count(distinct s || k) from u").fetchall() == [
                (ROWS, ROWS, DISTINCT)
            ]
            ledger = con.execute('select "rows", distinct_inputs, known, inferred from inlay_ledger()').fetchall()
            assert ledger == [(ROWS, DISTINCT, 0, DISTINCT)]

    within(120, work)
    n_label_sentences = 3 * 5
    assert calls["rows"] == DISTINCT + n_label_sentences


def test_several_connections_and_python_threads_share_one_session(tmp_path: Path, calls: dict[str, int]) -> None:
    path = str(tmp_path / "shop.duckdb")

    def work() -> None:
        with inlay.connect(path, model="fake") as con:
            con.execute("create table t as select 'text ' || i as s from range(20000) r(i)")
            answers: list[object] = []

            def ask(other: duckdb.DuckDBPyConnection) -> None:
                with other:
                    answers.append(other.execute("select sum(hash(ai_classify(s, ['a', 'b']))) from t").fetchall())

            others = [con.duckdb.cursor() for _ in range(4)] + [duckdb.connect(path) for _ in range(4)]
            threads = [threading.Thread(target=ask, args=[other]) for other in others]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(answers) == 8
            assert all(answer == answers[0] for answer in answers)

    within(120, work)
    assert calls["rows"] == 20_000 + 2 * 5


def test_failing_and_greedy_rows_leave_their_neighbours_as_they_were() -> None:
    def answers(where: str) -> list[tuple[int, str | None]]:
        with inlay.connect(model="fake") as con:
            con.execute("set threads = 4")
            con.execute(
                f"create table t as select i, case when i % 5000 = 7 then '{FAIL} ' || i "
                f"when i % 5000 = 8 then '{OOM} ' || i else 'text ' || i end as s from range(30000) r(i)"
            )
            return con.execute(f"select i, ai_classify(s, ['a', 'b']) from t where {where} order by i").fetchall()

    with_them = answers("true")
    without = answers("i % 5000 not in (7, 8)")
    assert [row for row in with_them if row[0] % 5000 not in (7, 8)] == without
    assert [i for i, kind in with_them if kind is None] == [7, 5007, 10007, 15007, 20007, 25007]


def test_attaching_from_many_threads_at_once_registers_once(tmp_path: Path) -> None:
    path = str(tmp_path / "shop.duckdb")
    sessions: list[int] = []

    def attach() -> None:
        con = duckdb.connect(path)
        sessions.append(inlay.attach(con, model="fake").number)

    keeper = duckdb.connect(path)
    try:
        within(60, lambda: _run_all([threading.Thread(target=attach) for _ in range(8)]))
        assert len(sessions) == 8
        assert len(set(sessions)) == 1
    finally:
        keeper.close()


def _run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
