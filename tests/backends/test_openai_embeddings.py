"""An embedding model behind an endpoint: many texts a request, and every row its own vector or its own error."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from test_openai_model import described, free, never

from inlay.arrays import Floats
from inlay.backends.openai.embeddings import OpenAIEmbedder, shared
from inlay.errors import BudgetExceededError, EndpointError
from inlay.models.capabilities import capabilities_of
from support.fault_server import WIDTH, FaultServer, vector

pytestmark = pytest.mark.usefixtures("short_waits")


def embedder(server: FaultServer, pack_texts: int = 256, width: int = WIDTH, **endpoint: Any) -> OpenAIEmbedder:
    capabilities = capabilities_of("embed", "openai", tokenizer=False)
    ref = dataclasses.replace(
        described(server.base_url, **endpoint), task="embed", capabilities=capabilities, width=width
    )
    return OpenAIEmbedder(ref, pack_texts)


def embed(
    model: OpenAIEmbedder,
    texts: Sequence[str],
    *,
    into: list[Floats | str | None] | None = None,
    stopped: Callable[[], bool] = never,
    spend: Callable[[int, int], None] = free,
    tokens: dict[int, int] | None = None,
) -> list[Floats | str | None]:
    """What done() was told of each text, which is once or, where the call ended early, not at all."""
    got: list[Floats | str | None] = [None] * len(texts) if into is None else into

    def done(position: int, row: Floats | str, n_tokens: int) -> None:
        assert got[position] is None, f"row {position} was done twice"
        got[position] = row
        if tokens is not None:
            tokens[position] = n_tokens

    model.embed(texts, stopped=stopped, spend=spend, done=done)
    return got


def assert_each_its_own(got: Sequence[Floats | str | None], texts: Sequence[str], bad: Sequence[int] = ()) -> None:
    for position, (row, text) in enumerate(zip(got, texts, strict=True)):
        if position in bad:
            assert isinstance(row, str), (position, row)
        else:
            assert isinstance(row, np.ndarray), (position, row)
            assert row.dtype == np.float32
            np.testing.assert_array_equal(row, vector(text))


def test_every_row_gets_its_own_vector_in_few_requests(server: FaultServer) -> None:
    texts = [f"row {n}" for n in range(1_000)] + ["", "é 電池", "\ud800"]
    tokens: dict[int, int] = {}
    spent: list[tuple[int, int]] = []
    got = embed(embedder(server), texts, tokens=tokens, spend=lambda *given: spent.append(given))
    assert_each_its_own(got, texts)
    assert server.requests == len(spent) == 4
    assert sum(tokens.values()) == sum(len(text) for text in texts)  # as the server counts
    assert all(output_tokens == 0 for _, output_tokens in spent)


def test_every_row_gets_its_own_vector_whatever_fails_on_the_way() -> None:
    texts = [f"row {n}" for n in range(600)]
    bad = {3: "<<bad>>", 100: "<<nan>>", 101: "<<narrow>>", 250: "<<words>>", 599: "<<bad>>"}
    for position, marker in bad.items():
        texts[position] += marker
    with FaultServer(chance=0.1, seed=2, per_s=60, burst=5) as server:
        got = embed(embedder(server, pack_texts=16), texts)
        assert server.refused > 0
    assert_each_its_own(got, texts, list(bad))
    assert "400: one of the inputs cannot be read" in str(got[3])
    assert "not finite" in str(got[100])
    assert "has 7 numbers, not 8" in str(got[101])
    assert "contains no vector of numbers" in str(got[250])


@pytest.mark.parametrize("marker", ["shuffled", "floats", "no_index"])
def test_vectors_are_placed_by_their_index(server: FaultServer, marker: str) -> None:
    texts = [f"row {n}<<{marker}>>" for n in range(100)]
    assert_each_its_own(embed(embedder(server), texts), texts)
    assert server.requests == 1


@pytest.mark.parametrize("marker", ["one_less", "same_index"])
def test_a_wrong_count_or_order_shifts_no_row(server: FaultServer, marker: str) -> None:
    texts = [f"row {n}" for n in range(64)]
    texts[20] += f"<<{marker}>>"
    got = embed(embedder(server), texts)
    assert_each_its_own(got, texts, [20] if marker == "one_less" else [])
    assert 2 * 6 <= server.requests <= 2 * 6 + 1  # halved down to the row
    if marker == "one_less":
        assert str(got[20]) == "the server returned 0 vectors for 1 text"


def test_a_row_that_the_server_fails_at_harms_no_other(server: FaultServer) -> None:
    texts = [f"row {n}" for n in range(64)]
    texts[41] += "<<500>>"
    got = embed(embedder(server), texts)
    assert_each_its_own(got, texts, [41])
    assert "500: failing with 500 (4 attempts)" in str(got[41])
    assert server.requests <= 4 + 2 * 6 + 4


def test_a_pack_that_is_refused_for_its_pace_is_not_asked_in_parts(server: FaultServer) -> None:
    texts = [f"row {n}" for n in range(200)]
    texts[5] += "<<429>>"
    got = embed(embedder(server, pack_texts=10, retry_s=1.0, requests_per_minute=1_200), texts)
    assert_each_its_own(got, texts, range(10))
    assert "429" in str(got[0])
    assert max(len(body["input"]) for body in server.bodies) == min(len(body["input"]) for body in server.bodies) == 10


def test_a_pack_that_is_too_large_is_halved_and_the_size_remembered() -> None:
    texts = [f"row {n}" for n in range(400)]
    with FaultServer(most_inputs=32) as server:
        model = embedder(server, concurrency=1)
        assert_each_its_own(embed(model, texts), texts)
        assert model.pack_texts == 32
        before = server.requests
        assert_each_its_own(embed(model, texts), texts)
        assert server.requests - before == 13


def test_a_pack_keeps_within_tokens_as_well(server: FaultServer) -> None:
    texts = ["x" * 200_000 + str(n) for n in range(5)]  # 50,001 tokens each, as we guess
    assert_each_its_own(embed(embedder(server), texts), texts)
    assert server.requests == 5


@pytest.mark.parametrize("rejects", [("base64",), ("base64", "float")])
def test_numbers_come_in_decimals_where_base64_is_refused(rejects: tuple[str, ...]) -> None:
    texts = [f"row {n}" for n in range(40)]
    with FaultServer(rejects=rejects) as server:
        model = embedder(server, pack_texts=10, concurrency=1)
        assert_each_its_own(embed(model, texts), texts)
        assert server.requests == 4 + len(rejects)
        assert server.bodies[-1].get("encoding_format") == (None if len(rejects) == 2 else "float")


def test_another_width_is_asked_for_or_is_an_error_of_the_settings() -> None:
    texts = [f"row {n}" for n in range(40)]
    with FaultServer() as server:
        model = embedder(server, pack_texts=10, width=4)
        got = embed(model, texts)
        np.testing.assert_array_equal(
            np.stack([row for row in got if not isinstance(row, str | None)]), [vector(t, 4) for t in texts]
        )
        assert server.bodies[-1]["dimensions"] == 4
    with (
        FaultServer(rejects=("dimensions",)) as server,
        pytest.raises(EndpointError, match=r"have 8 numbers, and width is 4\..*support dimensions.*Set width = 8"),
    ):
        embed(embedder(server, width=4), texts)


def test_unit_length_where_the_settings_say_so(server: FaultServer) -> None:
    model = embedder(server)
    model.ref = dataclasses.replace(model.ref, head=("normalize",))
    row = embed(model, ["a"])[0]
    assert isinstance(row, np.ndarray)
    np.testing.assert_allclose(row, vector("a") / np.linalg.norm(vector("a")), rtol=1e-6)


def test_what_a_budget_does_not_allow_is_not_sent(server: FaultServer) -> None:
    allowed = 3

    def spend(_tokens: int, _output_tokens: int) -> None:
        nonlocal allowed
        if not allowed:
            raise BudgetExceededError("max_tokens is 3")
        allowed -= 1

    texts = [f"row {n}" for n in range(100)]
    got: list[Floats | str | None] = [None] * 100
    with pytest.raises(BudgetExceededError):
        embed(embedder(server, pack_texts=10), texts, into=got, spend=spend)
    assert_each_its_own(got[:30], texts[:30])
    assert got[30:] == [None] * 70
    assert server.requests == 3


def test_a_call_that_is_stopped_returns_though_the_server_hangs(server: FaultServer) -> None:
    looks = 0

    def stopped() -> bool:
        nonlocal looks
        looks += 1
        return looks > 3

    assert embed(embedder(server, timeout_s=600.0), ["<<hang>>"] * 20, stopped=stopped) == [None] * 20


def test_what_done_raises_reaches_the_caller(server: FaultServer) -> None:
    def done(_position: int, _row: Floats | str, _tokens: int) -> None:
        raise ValueError("in the caller's own code")

    with pytest.raises(ValueError, match="own code"):
        embedder(server).embed(["a", "b"], stopped=never, spend=free, done=done)
    assert server.requests == 1


def test_a_refused_key_ends_the_call_at_once(server: FaultServer) -> None:
    with pytest.raises(EndpointError, match="401"):
        embed(embedder(server, pack_texts=2), ["<<401>>"] * 500)
    assert 1 <= server.requests <= 8


@pytest.mark.parametrize(
    ("total", "guesses", "shares"),
    [(None, [3, 4], [3, 4]), (7, [0, 0], [0, 0]), (100, [1, 1, 1], [33, 33, 34]), (0, [5, 5], [0, 0])],
)
def test_a_requests_tokens_are_shared_out(total: int | None, guesses: list[int], shares: list[int]) -> None:
    assert shared(total, guesses) == shares
