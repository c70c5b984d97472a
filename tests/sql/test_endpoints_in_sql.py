"""Models behind an endpoint, from SQL: what a person sees of a server that fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inlay
from inlay.backends.openai import batches as openai_batches
from inlay.client.connection import Connection
from inlay.errors import BudgetExceededError, EndpointError
from support.fault_server import WIDTH, FaultServer, vector

KEY = "sk-canary-0123456789"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("CANARY_KEY", KEY)
    with FaultServer(key=KEY) as running:
        yield running


def models(server: FaultServer, **settings: Any) -> dict[str, Any]:
    common = {"base_url": server.base_url, "api_key_env": "CANARY_KEY", **settings}
    return {
        "gpt": {"source": "openai:tiny", **common},
        "vectors": {"source": "openai:tiny", "task": "embed", "width": WIDTH, **common},
    }


def connected(server: FaultServer, **options: Any) -> Connection:
    said = {"model": "gpt", "models": models(server), **options}
    return inlay.connect(**said)


def test_rows_that_can_be_answered_are_and_each_other_row_has_its_reason(server: FaultServer, tmp_path: Path) -> None:
    bad = {"<<400>>": "maximum context length", "<<filter>>": "content filter", "<<nothing>>": "no text"}
    passing = ["<<500 1>>", "<<503 2>>", "<<html 1>>", "<<truncated 1>>", "<<reset 1>>", "<<429 1>>"]
    with connected(server, store=str(tmp_path / "store"), progress="off") as con:
        con.execute("create table t (n integer, v varchar)")
        texts = [f"text {i}" for i in range(60)] + [f"row {m}" for m in passing] + [f"row {m}" for m in bad]
        con.executemany("insert into t values (?, ?)", [[i, text] for i, text in enumerate([*texts, texts[0]])])
        rows = con.execute("select v, try_ai_complete(v) from t order by n").fetchall()
        assert len(rows) == len(texts) + 1
        for text, answer in rows:
            if (marker := text.removeprefix("row ")) in bad:
                assert answer["value"] is None and bad[marker] in answer["error"]
            else:
                assert answer["value"] == f"echo: {text}" and answer["error"] is None
        assert server.attempts["text 0"] == 1  # the same text twice is one request
        listed = con.execute("select input, error from inlay_errors()").fetchall()
        assert sorted(text for text, _ in listed) == sorted(f"row {marker}" for marker in bad)
        before = server.requests
        con.execute("select v, ai_complete(v) from t where v like 'text%'").fetchall()
        assert server.requests == before
    for path in (tmp_path / "store").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_an_extract_is_checked_whatever_the_server_replies(server: FaultServer) -> None:
    with connected(server) as con:
        found = con.execute("select ai_extract('x', ['town']), ai_extract('y', ['echo'])").fetchall()
        assert found[0][0] is None and list(found[0][1]) == ["echo"]
        reason = con.execute("select error from inlay_errors()").fetchall()
        assert len(reason) == 1 and "not valid for the schema" in reason[0][0]


def test_a_reply_that_is_cut_is_an_answer_of_ai_complete_alone(server: FaultServer) -> None:
    with connected(server) as con:
        found = con.execute("select ai_complete('<<length>> a'), ai_fix_grammar('<<length>> a')").fetchall()
        assert found == [("echo: <<length>> a", None)]
        assert "the reply was cut after" in con.execute("select error from inlay_errors()").fetchall()[0][0]


def test_embeddings_are_packed_and_each_row_has_its_own(server: FaultServer) -> None:
    with connected(server, model="vectors") as con:
        con.execute("create table t as select 'text ' || (i % 900) as v from range(2_000) r(i)")
        rows = con.execute("select distinct v, ai_embed(v) from t").fetchall()
        assert len(rows) == 900
        for text, found in rows:
            np.testing.assert_allclose(found, vector(text), rtol=1e-6)
        assert server.requests < 20
        near = con.execute("select ai_similarity('text 1', 'text 2')").fetchall()[0][0]
        a, b = vector("text 1"), vector("text 2")
        assert near == pytest.approx(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), abs=1e-6)
        tokens, device = con.execute("select sum(tokens), max(device) from inlay_ledger()").fetchall()[0]
        assert tokens > 0 and device.startswith("127.0.0.1:")


def test_a_wrong_key_stops_the_statement_and_is_not_shown(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", "sk-wrong-canary")
    with connected(server) as con:
        with pytest.raises(EndpointError) as raised:
            con.execute("select ai_complete('text ' || i) from range(1_000) r(i)").fetchall()
        assert "sk-wrong-canary" not in str(raised.value) and "CANARY_KEY" in str(raised.value)
        assert server.requests <= 32


def test_a_spending_limit_is_never_passed(server: FaultServer) -> None:
    priced = models(server, cost_per_million_tokens=1_000.0, cost_per_million_output_tokens=1_000.0)
    with connected(server, models=priced, max_cost=20.0) as con:
        with pytest.raises(BudgetExceededError, match="max_cost is 20"):
            con.execute("select count(ai_complete('text ' || i, max_tokens := 100)) from range(3_000) r(i)").fetchall()
        spent = con.execute("select sum(cost) from inlay_ledger()").fetchall()[0][0]
        assert server.requests > 100
        assert (spent or 0) <= 20.0


KILLED = """
import sys, inlay
with inlay.connect(model="gpt", models={"gpt": {"source": "openai:tiny", "base_url": sys.argv[1], "concurrency": 4}},
                   store=sys.argv[2], progress="off") as con:
    con.execute("select count(ai_complete('text ' || i)) from range(4_000) r(i)").fetchall()
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    with FaultServer(delay_s=0.01) as server:
        store = str(tmp_path / "store")
        run = [sys.executable, "-c", KILLED, server.base_url, store]
        first = subprocess.Popen(run, env={**os.environ, "INLAY_PROGRESS": "off"})
        deadline = time.monotonic() + 60
        while server.requests < 1_500 and time.monotonic() < deadline:
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
        first.wait(30)
        at_kill = server.requests
        assert 1_500 <= at_kill < 4_000
        known = {"gpt": {"source": "openai:tiny", "base_url": server.base_url}}
        with inlay.connect(model="gpt", models=known, store=store) as con:
            found = con.execute(
                "select count(*) filter (where ai_complete('text ' || i) = 'echo: text ' || i) from range(4_000) r(i)"
            ).fetchall()
        assert found == [(4_000,)]
        # What is lost is what had not been stored when the process died: some seconds' worth.
        assert server.requests < 4_000 + at_kill
        assert server.requests - 4_000 <= 1_100


def test_a_plan_counts_what_an_endpoint_would_read_without_asking_it(server: FaultServer) -> None:
    with connected(server) as con:
        sql = "select ai_embed('a text', model := 'vectors'), ai_filter('a text', 'it is short'), ai_complete('a text')"
        said = str(con.explain(sql))
        assert "vectors" in said and "gpt" in said
        assert server.requests == 0


def test_a_long_job_goes_through_the_providers_batches_and_is_paid_for_once(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        openai_batches.OpenAIBatchModel.__init__, "__kwdefaults__", {"direct_rows": 100, "poll_s": 0.05}
    )
    sql = "select count(*) filter (where ai_complete('text ' || i) = 'echo: text ' || i) from range(300) r(i)"
    options = {"models": models(server, batch=True), "store": str(tmp_path / "store")}
    with connected(server, **options) as con:
        assert con.execute(sql).fetchall() == [(300,)]
        assert con.execute("select max(device) from inlay_ledger()").fetchall()[0][0].endswith(" batch")
    assert max(server.attempts.values()) == 1 and sum(server.attempts.values()) == 300
    with connected(server, **options) as con:
        assert con.execute(sql).fetchall() == [(300,)]
    assert sum(server.attempts.values()) == 300
    assert list((tmp_path / "store" / "batches").iterdir())
