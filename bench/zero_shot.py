"""How often is ai_classify right without training, and what do templates and descriptions change?

Right answers among labelled texts, with twice their standard error (no difference within that means much), and the
mean over classes of the right share of each, which guessing the most frequent class does not raise. Every line is a
SQL statement with the default embedding model.

topics      tickets of the example project, seven topics: names alone in single templates, in the mean of templates that
            ai_classify uses when none is given, and names with the example project's descriptions. Those
            descriptions were written by people who had seen these tickets: their gain is the gain of looking.
described   what share of a label's vector should its description have? Intents of SNIPS and thirty of banking77 with
            descriptions of ours, and the topics above. SNIPS needs INLAY_BENCH_DATA too, a folder that has
            snips_train_300perintent.parquet (a sample of sonos/nlu-benchmark, CC0-1.0)
adapted     what does adapt := true change on these sets; where one class has 80 % of the rows; and where only every
            third class occurs?
frozen      the same sets by label names: labels that moved towards one half of the texts, on the other half; ten draws
banking77   77 intents by their names alone. Needs INLAY_BENCH_DATA, a folder with banking77_train_40perclass.parquet
            (text, label: a sample of PolyAI's task-specific-datasets, CC-BY-4.0); left out without it
"""

from __future__ import annotations

import ast
import math
import os
import random
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import inlay
from bench.report import save, table
from bench.texts import labelled
from inlay.functions.classify import EMBED_TEMPLATES
from inlay.functions.labels import spelled_out

_OTHER_TEMPLATES = ("This text is about {label}.", "This example is {label}.", "The topic is {label}.")

_TOPICS = Path(__file__).parent.parent / "example_project" / "models" / "enriched" / "tickets_classified.sql"


def topics(short: bool) -> None:
    texts, gold = labelled("tickets", "gold_topic")
    described = [topic for topic in _described_topics() if topic["label"] in set(gold)]
    names = [topic["label"] for topic in described]
    if set(names) != set(gold):
        raise ValueError(f"{_TOPICS} describes {sorted(names)}, but the tickets have {sorted(set(gold))}")
    con = _with_rows(texts, gold)
    rows = _by_template(con, names)
    rows.append(_line(con, "names and descriptions", f"ai_classify(body, {_sql(described)})"))
    _show("topics", f"{len(texts)} tickets, {len(names)} topics", rows)


INTENTS = {
    "snips_train_300perintent.parquet": {
        "AddToPlaylist": "add a song, an artist or an album to a playlist",
        "BookRestaurant": "reserve a table at a restaurant",
        "GetWeather": "ask for the weather forecast of a place and time",
        "PlayMusic": "play a song, an album or music of an artist",
        "RateBook": "give a rating or stars to a book",
        "SearchCreativeWork": "find a book, a game, a film, a song or a picture by its title",
        "SearchScreeningEvent": "find out when and where films are shown in cinemas",
    },
    "banking77_train_40perclass.parquet": {
        "activate_my_card": "the customer wants to activate a new card",
        "age_limit": "how old one must be to have an account",
        "apple_pay_or_google_pay": "paying or topping up by Apple Pay or Google Pay",
        "atm_support": "which cash machines accept the card",
        "beneficiary_not_allowed": "a transfer to a recipient is refused",
        "cancel_transfer": "stop or undo a transfer that was made",
        "card_about_to_expire": "the card expires soon and a new one is needed",
        "card_arrival": "a card that was ordered has not come yet",
        "card_delivery_estimate": "how long it takes until a card is delivered",
        "card_linking": "connect a card with the app or account",
        "card_not_working": "the card does not work",
        "card_swallowed": "a cash machine kept the card",
        "cash_withdrawal_charge": "a fee was taken for getting cash",
        "change_pin": "choose another PIN",
        "compromised_card": "somebody else uses the card, or its data were stolen",
        "country_support": "in which countries the service exists",
        "declined_card_payment": "a payment by card was refused",
        "exchange_rate": "which rate is used between currencies",
        "lost_or_stolen_card": "the card is lost or was stolen",
        "passcode_forgotten": "the customer does not remember the passcode of the app",
        "pending_transfer": "a transfer has not arrived or is still being processed",
        "request_refund": "the customer wants money back for a purchase",
        "terminate_account": "close or delete the account",
        "top_up_failed": "money could not be added to the account",
        "transfer_timing": "how long a transfer takes",
        "verify_my_identity": "how to prove who one is, and which documents are needed",
        "why_verify_identity": "why an identity check is required",
        "edit_personal_details": "change name, address or telephone number",
        "virtual_card_not_working": "the virtual card does not work",
        "wrong_amount_of_cash_received": "the cash machine gave another amount than was asked for",
    },
}
_SHARES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)


def described(short: bool) -> None:
    rows = [[name, *_by_share(texts, gold, meanings)] for name, texts, gold, meanings in _with_meanings(short)]
    columns = ["set", *(f"{share:.0%}" for share in _SHARES)]
    print(table(columns, rows))
    save("zero_shot.described", {"columns": columns, "lines": rows})


def adapted(short: bool) -> None:
    rows = []
    for name, texts, gold, meanings in _with_meanings(short):
        labels = [{"label": label, "description": meaning} for label, meaning in meanings.items()]
        classes = list(meanings)
        for which, places in {
            "all rows": range(len(texts)),
            "one class at 80 %": _mostly(gold, classes[0]),
            "every third class": [i for i, label in enumerate(gold) if label in classes[::3]],
        }.items():
            con = _with_rows([texts[i] for i in places], [gold[i] for i in places])
            for kind, given in (("names", classes), ("described", labels)):
                calls = (f"ai_classify(body, {_sql(given)}{adapt})" for adapt in ("", ", adapt := true"))
                before, after = (con.execute(f"select avg((gold = {c})::int) from t").fetchall()[0][0] for c in calls)
                rows.append([name, which, kind, str(len(places)), f"{before:.1%}", f"{after:.1%}"])
    columns = ["set", "rows", "labels", "texts", "as they are", "adapted"]
    print(table(columns, rows))
    save("zero_shot.adapted", {"columns": columns, "lines": rows})


def _mostly(gold: list[str], name: str) -> list[int]:
    """The rows of one class, and of the others a quarter as many."""
    rows = [i for i, label in enumerate(gold) if label == name]
    others = [i for i, label in enumerate(gold) if label != name]
    return rows + random.Random(1).sample(others, len(rows) // 4)


def _with_meanings(short: bool) -> Iterator[tuple[str, list[str], list[str], Mapping[str, str]]]:
    """(set, texts, their labels, what each label means)."""
    texts, gold = labelled("tickets", "gold_topic")
    yield (
        "topics",
        texts,
        gold,
        {topic["label"]: topic["description"] for topic in _described_topics() if topic["label"] in set(gold)},
    )
    for file, intents in INTENTS.items():
        path = Path(os.environ.get("INLAY_BENCH_DATA", "")) / file
        if path.is_file():
            read = [row for row in pq.read_table(path).to_pylist() if row["label"] in intents][:: 8 if short else 1]
            yield file.split("_")[0], [row["text"] for row in read], [row["label"] for row in read], intents


def _by_share(texts: list[str], gold: list[str], intents: Mapping[str, str]) -> Iterator[str]:
    """The right share of the texts for each share that descriptions may have."""
    spelled = [spelled_out(name) for name in intents]
    names = _unit(sum(_vectors([t.replace("{label}", name) for name in spelled]) for t in EMBED_TEMPLATES))
    meanings, bodies = _vectors(list(intents.values())), _vectors(texts)
    order = np.array(list(intents))
    for share in _SHARES:
        labels = _unit((1 - share) * names + share * meanings)
        yield f"{(order[(bodies @ labels.T).argmax(axis=1)] == np.array(gold)).mean():.1%}"


def _vectors(texts: list[str]) -> Any:
    con = inlay.connect(progress="off")
    con.register("given", pa.table({"n": range(len(texts)), "body": texts}))
    rows = con.execute("select ai_embed(body) from given order by n").fetchall()
    return np.array([row[0] for row in rows], dtype=np.float32)


def _unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def banking77(short: bool) -> None:
    path = Path(os.environ.get("INLAY_BENCH_DATA", "")) / "banking77_train_40perclass.parquet"
    if not path.is_file():
        print("left out: INLAY_BENCH_DATA names no folder with banking77_train_40perclass.parquet")
        return
    read = pq.read_table(path)
    texts, gold = read["text"].to_pylist(), [str(label) for label in read["label"].to_pylist()]
    names = sorted(set(gold))
    if short:
        texts, gold = texts[::8], gold[::8]
    con = _with_rows(texts, gold)
    _show("banking77", f"{len(texts)} texts, {len(names)} intents", _by_template(con, names))


def _by_template(con: Any, names: Sequence[str]) -> list[list[str]]:
    rows = [_line(con, "names, mean of templates (default)", f"ai_classify(body, {_sql(names)})")]
    for template in (*EMBED_TEMPLATES, *_OTHER_TEMPLATES):
        call = f"ai_classify(body, {_sql(names)}, template := {_sql(template)})"
        rows.append(_line(con, f"names, '{template}'", call))
    return rows


def _with_rows(texts: list[str], gold: list[str]) -> Any:
    con = inlay.connect(progress="off")
    given = pa.table({"body": texts, "gold": gold})
    con.register("given", given)
    con.execute("create table t as select * from given")
    return con


def _line(con: Any, name: str, answer: str) -> list[str]:
    counted = f"select gold, count(*) as n, count(*) filter (gold = {answer}) as k from t group by gold"
    right, n, by_class = con.execute(f"select sum(k), sum(n), avg(k / n) from ({counted})").fetchall()[0]
    share = right / n
    return [name, f"{share:.1%}", f"±{200 * math.sqrt(share * (1 - share) / n):.1f}", f"{by_class:.1%}"]


def _described_topics() -> list[Mapping[str, str]]:
    """The first list of labels in the example project's model."""
    text = _TOPICS.read_text(encoding="utf-8")
    return [ast.literal_eval(entry) for entry in re.findall(r"\{'label'[^}]*\}", text[: text.index("tags =")])]


def _sql(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_sql(key)}: {_sql(part)}" for key, part in value.items()) + "}"
    return "[" + ", ".join(_sql(part) for part in value) + "]"


def _show(part: str, over: str, rows: list[list[str]]) -> None:
    print(f"{over}\n")
    print(table(["answer", "right", "2 standard errors, points", "mean of classes"], rows))
    save(f"zero_shot.{part}", {"over": over, "lines": rows})


def frozen(short: bool) -> None:
    rows = []
    for name, texts, gold, meanings in _with_meanings(short):
        classes, half, shares = list(meanings), len(texts) // 2, []
        with tempfile.TemporaryDirectory() as folder:
            con = inlay.connect(heads=folder)
            con.execute("create table all_rows as select unnest($1) as body, unnest($2) as gold", [texts, gold])
            for draw in range(2 if short else 10):
                ordered = f"from (from all_rows order by hash(body || '{draw}'), body)"
                moves = f"select body {ordered} limit {half}".replace("'", "''")
                con.execute(f"create or replace table t as {ordered} offset {half}")
                con.execute(f"call inlay_labels('set', '{moves}', text := 'body', labels := {_sql(classes)})")
                calls = (f"ai_classify(body, {_sql(classes)})", "ai_classify(body, model := 'head:set')")
                shares.append([con.execute(f"select avg((gold = {c})::int) from t").fetchall()[0][0] for c in calls])
        before, after = (sum(each) / len(shares) for each in zip(*shares, strict=True))
        rows.append([name, str(half), str(len(texts) - half), f"{before:.1%}", f"{after:.1%}"])
    columns = ["set", "texts moved towards", "others", "as they are", "frozen"]
    print(table(columns, rows))
    save("zero_shot.frozen", {"columns": columns, "lines": rows})


PARTS = {"topics": topics, "described": described, "adapted": adapted, "frozen": frozen, "banking77": banking77}
