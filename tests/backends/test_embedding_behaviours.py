"""Every way in which servers answer a request for embeddings: a vector is its text's own, or its row fails."""

from __future__ import annotations

import re
from typing import Any

import pytest
from test_openai_embeddings import assert_each_its_own, embed, embedder

import inlay
from support.embedding_behaviours import FAILS, ONE_FAILS, RIGHT, Embedding
from support.fault_server import MODEL, WIDTH, FaultServer
from support.raw_responses import BROKEN, WHOLE, Raw

pytestmark = pytest.mark.usefixtures("short_waits")

TEXTS = ("The parcel came late.", "Is the lamp any good?", "It broke at last")


def embedded(behaviour: Embedding | None, raw: Raw | None = None) -> tuple[list[Any], dict[int, int]]:
    """(each text's vector, or why it has none; the tokens that are counted)."""
    tokens: dict[int, int] = {}
    with FaultServer(embedding=behaviour, raw=raw) as server:
        return embed(embedder(server), TEXTS, tokens=tokens), tokens


@pytest.mark.parametrize("name", RIGHT)
def test_a_server_that_says_it_otherwise_costs_no_row(name: str) -> None:
    got, tokens = embedded(RIGHT[name])
    assert_each_its_own(got, TEXTS)
    assert all(0 < n < 100 for n in tokens.values())


@pytest.mark.parametrize("name", WHOLE)
def test_what_can_be_read_is_read(name: str) -> None:
    assert_each_its_own(embedded(None, WHOLE[name])[0], TEXTS)


@pytest.mark.parametrize("name", [*FAILS, *BROKEN])
def test_what_is_no_vector_gives_none(name: str) -> None:
    behaviour, reason = FAILS.get(name, (None, ""))
    raw, broken = BROKEN.get(name, (None, ""))
    got, tokens = embedded(behaviour, raw)
    for each in got:
        assert isinstance(each, str) and re.search(reason or broken, each), each
    assert sum(tokens.values()) == 0


@pytest.mark.parametrize("name", ONE_FAILS)
def test_a_bad_vector_costs_its_text_alone(name: str) -> None:
    behaviour, reason = ONE_FAILS[name]
    got, _ = embedded(behaviour)
    assert_each_its_own(got, TEXTS, bad=[2])
    assert re.search(reason, str(got[2])), got[2]


LABELS = "['bug', 'praise', 'question']"
FUNCTIONS = (
    "ai_embed(s)", "ai_similarity(s, 'a lamp')", f"ai_classify(s, {LABELS})", f"ai_classify(s, {LABELS}, adapt := true)",
    f"ai_classify_multi(s, {LABELS}, threshold := 0.1)", "ai_filter(s, 'angry', threshold := 0.1)", "ai_score(s, 'angry')",
    "ai_sentiment(s)",
)  # fmt: skip


def test_a_text_without_a_vector_gets_no_answer_of_any_function() -> None:
    def behave(body: dict[str, Any], vectors: Any) -> Any:
        """By the number that a text begins with."""
        numbers = [int(text[0]) for text in body["input"] if text[0].isdigit()]
        behaviours = [RIGHT["plain"], *(behaviour for behaviour, _ in ONE_FAILS.values())]
        return behaviours[max(numbers, default=0)](body, vectors)

    texts = ["0 All is well", *(f"{i} last" for i in range(1, len(ONE_FAILS) + 1))]
    with FaultServer(embedding=behave) as server:
        model = {"source": f"openai:{MODEL}", "base_url": server.base_url, "task": "embed", "width": WIDTH}
        with inlay.connect(model="m", models={"m": model}) as con:
            query = f"select {', '.join(FUNCTIONS)} from (select unnest(?) as s) order by s"
            first, *others = con.execute(query, [texts]).fetchall()
            failed = con.execute("select count(*) from inlay_errors()").fetchall()
    assert None not in first
    assert others == [(None,) * len(FUNCTIONS)] * len(ONE_FAILS)
    assert failed == [(len(FUNCTIONS) * len(ONE_FAILS),)]
