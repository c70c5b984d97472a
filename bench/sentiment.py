"""How often is ai_sentiment right with the default embedding model, and what does it take for neutral?

Every line is a SQL statement. 'two ways' is the share of rows on the right side where every row is put on one side, by
its scores; 'answered' counts an answer of neutral as wrong.

example   reviews of the example project, in a dozen languages, with four feelings given by people
reviews   positive and negative texts of seven sets, at most 2,000 each. Needs INLAY_BENCH_DATA, a folder that has, as
          they come, the folder `fixtures` of the npm package sentiment 5.0.2 (amazon, imdb, yelp: Kotzias et al. 2015)
          and `hutto_ICWSM_2014`, which is packed in vaderSentiment 3.3.2 on PyPI (Hutto and Gilbert 2014; texts within
          0.8 of neutral are left out). Sets that are missing are left out
facts     texts that report, ask or request, and say nothing about a feeling: FACTS below, and of INLAY_BENCH_DATA
          requests to assistants (SNIPS), restaurant bookings and questions to a library of aerodynamics. The right
          answer is neutral

The sentences and leads of functions/feelings.py were chosen with `example`, Kotzias's sets, other rows of Hutto's sets
and FACTS in view, for all of them together. 'Held out': rows and texts that no choice has seen.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import inlay
from bench.report import save, table
from bench.texts import labelled

_MOST_ROWS = 2_000
_SEEN = 2_000  # rows of a set of Hutto's that choices were made by
_NEAR_NEUTRAL = 0.8  # of a scale from -4 to 4

FACTS = (
    "Order 4711 shipped.",
    "The parcel was delivered on Monday at 10:42.",
    "Invoice 2024-0031 is attached.",
    "The meeting is at three in room 204.",
    "The shop opens at nine and closes at six.",
    "My customer number is 48213.",
    "The cable is two metres long.",
    "It comes in black, white and blue.",
    "The flight leaves from gate B12.",
    "I ordered two chairs and a table on 3 May.",
    "The package contains a charger and a manual.",
    "Please change my delivery address to 12 Mill Road.",
    "How do I reset my password?",
    "Which sizes do you have?",
    "The store is next to the station.",
    "The film is 112 minutes long.",
    "The book has 320 pages.",
    "I bought this for my daughter.",
    "The device uses two AA batteries.",
    "The next version will be released in June.",
    "We paid by bank transfer.",
    "The restaurant seats forty people.",
    "Attached is the signed contract.",
    "Can I have a copy of the receipt?",
    "The update changes the layout of the settings page.",
    "The train takes four hours to Lyon.",
    "He plays a detective in a small town.",
    "The order was placed through the app.",
    "Water boils at 100 degrees.",
    "The phone has a 6.1 inch display.",
    "The company was founded in 1998.",
    "I will be travelling from 2 to 9 August.",
    "The product weighs 1.2 kilograms.",
    "Subscription renewed for twelve months.",
    "She works at the front desk on weekdays.",
    "The backup runs every night.",
    "Your appointment is confirmed for Thursday.",
    "The jacket is made of wool and polyester.",
    "The ticket was moved to the second-level team.",
    "Please send the documents to the address below.",
    "Status: in transit.",
    "The lesson covers chapters four to six.",
    "We have offices in Madrid and Oslo.",
    "The refund was issued to the card ending in 2885.",
    "Half of the participants were under thirty.",
    "I have had it for about two months.",
    "The report lists sales by region.",
    "Login from a new device on 4 April.",
    "The hotel has 80 rooms and a car park.",
    "The menu changes every month.",
)

LATER_FACTS = (
    "Parcel 88213 left the depot at 06:15.",
    "The key is with the neighbour on the second floor.",
    "We expect rain in the north on Wednesday.",
    "The pump has a flow rate of 40 litres a minute.",
    "Could you tell me the opening hours on Sunday?",
    "I need an invoice with our VAT number on it.",
    "The new office is above the bakery.",
    "Her flight lands at 17:40.",
    "The course starts on 4 September and has twelve sessions.",
    "Two adults and one child, three nights, half board.",
    "The warranty card is in the envelope.",
    "What is the difference between the two plans?",
    "My son is eleven and takes size 38.",
    "The museum was built in 1904.",
    "Set the alarm for seven.",
    "The rate was raised from 3 to 3.25 percent.",
    "He teaches chemistry at a secondary school.",
    "The recipe needs 200 grams of flour.",
    "Please forward this to the accounts department.",
    "The form has to be signed on both pages.",
    "The album contains eleven songs.",
    "Call ended after four minutes.",
    "The bus stops in front of the library.",
    "I am writing about contract 5521.",
    "Item returned to sender.",
    "The screws are in the small bag.",
    "The bridge is closed to lorries.",
    "Which cable do I need for the second monitor?",
    "Our team consists of four developers and a designer.",
    "The lamp is switched on at the side.",
    "I changed the filter in March.",
    "The data are stored in the region eu-west.",
    "Tickets are sold at the counter and online.",
    "The river flows through three countries.",
    "We are moving to a new address next month.",
    "The second key was sent by post.",
    "She ordered a coffee and a sandwich.",
    "The test takes about an hour.",
    "The guide has chapters on history and on walks.",
    "User logged out.",
)


def example(short: bool) -> None:
    texts, gold = labelled("reviews", "gold_sentiment")
    con = _with_rows(texts, gold)
    right = "select avg((gold = {})::int) from t"
    lines = [
        ["ai_sentiment(body)", _percent(con, right.format("ai_sentiment(body)"))],
        ["ai_sentiment(body, levels := 4)", _percent(con, right.format("ai_sentiment(body, levels := 4)"))],
        ["always the most frequent", _percent(con, right.format("(select mode(gold) from t)"))],
    ]
    _show("example", f"{len(texts)} reviews, four feelings", ["answer", "right"], lines)
    sides = [(text, feeling) for text, feeling in zip(texts, gold, strict=True) if feeling in ("positive", "negative")]
    _show("example_sides", "positive and negative ones alone", _SIDES, [_sides("example", sides)])


def reviews(short: bool) -> None:
    rows = [_sides(name, texts[:: 8 if short else 1]) for name, texts in _reviews()]
    _show("reviews", "positive and negative texts", _SIDES, rows)


def facts(short: bool) -> None:
    rows = []
    for name, texts in _facts():
        texts = texts[:: 8 if short and len(texts) > 200 else 1]
        con = _with_rows(texts, ["neutral"] * len(texts))
        rows.append([name, str(len(texts)), _percent(con, "select avg((ai_sentiment(body) = gold)::int) from t")])
    _show("facts", "texts without a feeling", ["set", "texts", "neutral"], rows)


_SIDES = ["set", "texts", "positive", "two ways", "answered", "neutral", "mixed with levels := 4"]


def _sides(name: str, rows: list[tuple[str, str]]) -> list[str]:
    con = _with_rows([text for text, _ in rows], [feeling for _, feeling in rows])
    con.execute(
        "create table a as select gold, try_ai_sentiment(body) as a, ai_sentiment(body, levels := 4) as b from t"
    )
    shares = (
        "gold = 'positive'",
        "gold = if(a.scores['positive'] > a.scores['negative'], 'positive', 'negative')",
        "gold = a.value",
        "a.value = 'neutral'",
        "b = 'mixed'",
    )
    return [name, str(len(rows)), *(_percent(con, f"select avg(({share})::int) from a") for share in shares)]


def _reviews() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for name in ("amazon", "imdb", "yelp"):
        path = _data() / "fixtures" / f"{name}.json"
        if path.is_file():
            read = json.loads(path.read_text(encoding="utf-8"))
            yield f"Kotzias, {name}", [(row["text"], "positive" if row["class"] else "negative") for row in read]
    for name in ("amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets", "tweets"):
        path = _data() / "hutto_ICWSM_2014" / f"{name}_GroundTruth.txt"
        if path.is_file():
            lines = path.read_text(encoding="latin-1").splitlines()
            random.Random(7).shuffle(lines)
            read = [(line.split("\t")[2], float(line.split("\t")[1])) for line in lines[_SEEN : _SEEN + _MOST_ROWS]]
            yield (
                f"held out: Hutto, {name}",
                [(text, "positive" if n > 0 else "negative") for text, n in read if abs(n) >= _NEAR_NEUTRAL],
            )


def _facts() -> Iterator[tuple[str, list[str]]]:
    yield "FACTS", list(FACTS)
    yield "held out: LATER_FACTS", list(LATER_FACTS)
    for name, file in (
        ("requests (SNIPS)", "snips_train_300perintent.parquet"),
        ("restaurant bookings", "restaurant8k_train_1500.parquet"),
        ("questions to a library", "cranfield/cranfield_queries.parquet"),
    ):
        if (_data() / file).is_file():
            yield name, pq.read_table(_data() / file)["text"].to_pylist()[:_MOST_ROWS]


def _data() -> Path:
    return Path(os.environ.get("INLAY_BENCH_DATA", "no folder named"))


def _with_rows(texts: list[str], gold: list[str]) -> Any:
    con = inlay.connect(progress="off")
    con.register("given", pa.table({"body": texts, "gold": gold}))
    con.execute("create table t as from given")
    return con


def _percent(con: Any, sql: str) -> str:
    return f"{con.execute(sql).fetchall()[0][0]:.1%}"


def _show(part: str, over: str, columns: list[str], rows: list[list[str]]) -> None:
    print(f"{over}\n")
    print(table(columns, rows))
    save(f"sentiment.{part}", {"over": over, "columns": columns, "lines": rows})


PARTS = {"example": example, "reviews": reviews, "facts": facts}
