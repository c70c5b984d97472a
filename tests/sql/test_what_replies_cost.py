"""Money: what a server bills is what the ledger has, whatever became of the replies, and no limit is passed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import inlay
from inlay.client.connection import Connection
from inlay.errors import BudgetExceededError
from support.fault_server import FaultServer

PRICES = {"cost_per_million_tokens": 10.0, "cost_per_million_output_tokens": 30.0}
REPLIES = ("length", "filter", "nothing", "parts", "fenced", "thinks", "invalid", "invalid_once", "prose_once")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


def connected(server: FaultServer, **settings: Any) -> Connection:
    models = {"gpt": {"source": "openai:tiny", "base_url": server.base_url, **PRICES}}
    return inlay.connect(language_model="gpt", models=models, **settings)


def ledger(con: Connection) -> tuple[int, int, float]:
    sums = con.execute(
        "select coalesce(sum(tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint, sum(cost) from inlay_ledger()"
    )
    return sums.fetchall()[0]


@pytest.mark.parametrize(
    "call", ["ai_summarize(v)", "ai_extract(v, ['echo'])", "ai_classify(v, ['a', 'b'], model := 'gpt')"]
)
def test_every_reply_that_was_billed_is_in_the_ledger(server: FaultServer, call: str) -> None:
    with connected(server) as con:
        con.execute("create table t as select '<<' || unnest($1) || '>> a text' as v", [list(REPLIES)])
        con.execute(f"select {call} from t").fetchall()
        read, written, cost = ledger(con)
        assert (read, written) == tuple(server.billed)
        assert cost == pytest.approx((read * 10 + written * 30) / 1e6)
        assert con.execute("select count(*) from inlay_errors()").fetchall()[0][0] > 0


def test_a_limit_holds_where_tokens_are_more_than_any_guess(server: FaultServer) -> None:
    """The server counts a token for each letter, four times what English has."""
    with connected(server, max_cost=0.5) as con:
        con.execute("create table t as select repeat('1 ', 200) || i as v from range(400) r(i)")
        with pytest.raises(BudgetExceededError, match=r"max_cost is 0\.5"):
            con.execute("select ai_complete(v, max_tokens := 500) from t").fetchall()
        billed = (server.billed[0] * 10 + server.billed[1] * 30) / 1e6
        assert billed <= 0.5
        # What a reply did not need is there for the next: nearly all of the limit can be spent.
        assert billed > 0.4
        assert ledger(con)[2] == pytest.approx(billed)


def test_what_was_set_aside_stops_nothing_that_fits(server: FaultServer) -> None:
    """Thirty-two requests at their longest would pass the limit, all two hundred as they are do not."""
    with connected(server, max_cost=0.5) as con:
        rows = con.execute("select ai_complete('text ' || i, max_tokens := 4_000) from range(200) r(i)").fetchall()
        assert len(rows) == 200 and all(reply is not None for (reply,) in rows)
