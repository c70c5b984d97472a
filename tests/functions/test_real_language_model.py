"""Every function of language models with one that has real weights, template and tokenizer: SmolLM2-135M-Instruct.

What 135 million weights cannot do is no failure here; what inlay promises of any model is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import inlay
from inlay.client.connection import Connection
from support.real_language_model import needs_smollm2

pytestmark = needs_smollm2

# (text, what it is about), written for this test.
REQUESTS = (
    ("Will it rain in Oslo tomorrow?", "weather"),
    ("How cold does it get in Minsk at night?", "weather"),
    ("Is it going to snow this weekend?", "weather"),
    ("Play the new album by Adele.", "music"),
    ("I want to hear some jazz.", "music"),
    ("Put on my favourite song.", "music"),
    ("Book a table for four at an Italian place.", "restaurant"),
    ("Reserve a seat at a sushi bar for tonight.", "restaurant"),
    ("I need a table for two at a steakhouse at 19:30.", "restaurant"),
)
TEXTS = [text for text, _ in REQUESTS]
LABELS = ["music", "restaurant", "weather"]


@pytest.fixture(scope="module")
def con() -> Iterator[Connection]:
    with inlay.connect(language_model="smollm2", progress="off") as connection:
        connection.execute("create table requests as select unnest($1) as v", [TEXTS])
        yield connection


def values(con: Connection, call: str, table: str = "requests") -> list[Any]:
    return [value for (value,) in con.execute(f"select {call} from {table}").fetchall()]


def test_labels_are_told_apart_and_their_order_decides_nothing(con: Connection) -> None:
    found, reversed_ = (
        values(con, f"ai_classify(v, {labels}, model := 'smollm2')") for labels in (LABELS, LABELS[::-1])
    )
    assert found == reversed_
    assert sum(a == b for a, (_, b) in zip(found, REQUESTS, strict=True)) >= 7


def test_statements_are_judged_in_order(con: Connection) -> None:
    scores = values(con, "ai_score(v, 'asks about the weather', model := 'smollm2')")
    about = [label == "weather" for _, label in REQUESTS]
    pairs = [
        (a, b)
        for a, yes in zip(scores, about, strict=True)
        if yes
        for b, no in zip(scores, about, strict=True)
        if not no
    ]
    assert sum(a > b for a, b in pairs) / len(pairs) > 0.8
    held = values(con, "ai_filter(v, 'asks about the weather', model := 'smollm2')")
    assert held == [score >= 0.5 for score in scores]


def test_feelings(con: Connection) -> None:
    con.execute("create or replace table reviews as select unnest(['I love it, wonderful.', 'Awful, I hate it.']) as v")
    assert set(values(con, "ai_sentiment(v, model := 'smollm2')", "reviews")) <= {"positive", "negative", "neutral"}
    aspects = values(con, "ai_sentiment_by_aspect(v, ['price'])", "reviews")
    assert all(set(each) == {"price"} for each in aspects)


def test_fields_and_pieces_are_words_of_the_text(con: Connection) -> None:
    found = values(con, "ai_extract(v, {'city': 'Which city?', 'time': 'What time?'})")
    for text, fields in zip(TEXTS, found, strict=True):
        assert all(value is None or value in text for value in fields.values())
    assert [fields["city"] for fields in found[:2]] == ["Oslo", "Minsk"]
    assert found[-1]["time"] == "19:30"
    assert sum(fields["city"] is not None for fields in found[2:]) <= 1  # the others name none
    pieces = values(con, "ai_detect_pii(v, categories := ['name', 'place'], model := 'smollm2')")
    for text, spans in zip(TEXTS, pieces, strict=True):
        assert all(text[span["start"] - 1 : span["start"] - 1 + span["length"]] == span["text"] for span in spans)
    assert not con.execute("from inlay_errors()").fetchall()


def test_what_is_written_has_none_of_our_words(con: Connection) -> None:
    calls = (
        "ai_complete(v, max_tokens := 24)", "ai_summarize(v, max_tokens := 48)", "ai_fix_grammar(v, max_tokens := 48)",
        "ai_translate(v, 'French', max_tokens := 48)", "ai_agg(v, 'What do they want?', max_tokens := 48)",
    )  # fmt: skip
    con.execute("create or replace table few as from requests limit 2")
    for call in calls:
        for text in values(con, call, "few"):
            assert text is None or (text.strip() and "<text" not in text and "</text" not in text)
    read, written = con.execute("select sum(tokens), sum(output_tokens) from inlay_ledger()").fetchall()[0]
    assert read > 1_000 and written > 20
