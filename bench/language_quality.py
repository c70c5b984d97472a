"""How good is a language model through inlay's functions, and how good asked in the plainest way?

classify   ai_classify against the chat template, one user message of the text, a blank line and `Which one: a, b, c?`,
           and the label with the highest summed log-likelihood. 'Reversed': the share of rows whose answer is the same
           when the labels are given in reverse
judge      ai_score of statements, true of some rows, against one message of the text, a blank line, the statement, a
           blank line and `Yes or no?`, and the likelihood of yes against no: areas under the curve
extract    ai_extract's fields that are exactly those of the data, with the text's own words and without: micro F1,
           where an absent field that is answered and a present one that is not both count

Needs INLAY_BENCH_DATA, a folder with the Parquet files below; what is missing is left out. The model is smollm2, or
that of INLAY_BENCH_MODEL, a folder of a language model as transformers saves it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import duckdb
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import inlay
from bench.report import save, table
from inlay.models.locate import local_folder
from inlay.settings.read import read_settings

_SETS = {
    "SNIPS, 7 intents": ("snips_train_300perintent.parquet", 7),
    "banking77, 10 intents": ("banking77_train_40perclass.parquet", 10),
    "banking77, 77 intents": ("banking77_train_40perclass.parquet", 77),
}


def classify(short: bool) -> None:
    folder, data = _model(), _data()
    if folder is None:
        return
    lines: list[list[str]] = []
    for name, (file, n_labels) in _SETS.items():
        if not (data / file).is_file() or (short and n_labels > 10):
            continue
        rows = _rows(data / file, n_labels, 70 if short else 300)
        labels = sorted({label for _, label in rows})
        with _connected(folder, [text for text, _ in rows]) as con:
            ours, reversed_ = (_answers(con, each) for each in (labels, labels[::-1]))
        likely = _plainest(folder, [f"{text}\n\nWhich one: {', '.join(labels)}?" for text, _ in rows], labels)
        plain = [labels[max(range(len(labels)), key=row.__getitem__)] for row in likely]
        right = [label for _, label in rows]
        shares = (_same(ours, right), _same(plain, right), _same(ours, reversed_))
        lines.append([name, str(len(rows)), *(f"{share:.3f}" for share in shares)])
    print(table(["set", "rows", "ai_classify", "plainest prompt", "reversed"], lines))
    save("language_quality.classify", {"model": folder, "rows": lines})


_STATEMENTS = {
    "SNIPS": ("snips_train_300perintent.parquet", "asks about the weather", "label = 'GetWeather'"),
    "SNIPS, another": ("snips_train_300perintent.parquet", "wants to book a restaurant", "label = 'BookRestaurant'"),
    "restaurant8k": ("restaurant8k_train_1500.parquet", "says how many people will come", "spans like '%people%'"),
    "banking77": ("banking77_train_40perclass.parquet", "a card was lost or stolen", "label = 'lost_or_stolen_card'"),
}


def judge(short: bool) -> None:
    folder, data = _model(), _data()
    if folder is None:
        return
    lines: list[list[str]] = []
    for name, (file, statement, holds) in _STATEMENTS.items():
        if not (data / file).is_file():
            continue
        n = 15 if short else 150
        rows = duckdb.execute(
            f"""
            select text, {holds} as holds from read_parquet($1)
            qualify row_number() over (partition by {holds} order by md5(text)) <= $2 order by md5(text)
            """,
            [str(data / file), n],
        ).fetchall()
        texts, right = [text for text, _ in rows], [holds for _, holds in rows]
        with _connected(folder, texts) as con:
            ours = [
                score
                for (score,) in con.execute(f"select ai_score(text, '{statement}', model := 'judge') from t").fetchall()
            ]
        likely = _plainest(folder, [f"{text}\n\n{statement}\n\nYes or no?" for text in texts], ["yes", "no"])
        areas = (_area(ours, right), _area([yes - no for yes, no in likely], right))
        lines.append([name, statement, str(len(rows)), *(f"{area:.3f}" for area in areas)])
    print(table(["set", "statement", "rows", "ai_score", "plainest prompt"], lines))
    save("language_quality.judge", {"model": folder, "rows": lines})


_SLOTS = {
    "restaurant8k": (
        "restaurant8k_train_1500.parquet", "true",
        {
            "first_name": "What is the first name?", "last_name": "What is the last name?", "date": "What date?",
            "time": "What time?", "people": "How many people?",
        },
    ),
    "SNIPS, bookings": (
        "snips_train_300perintent.parquet", "label = 'BookRestaurant'",
        {
            "city": "Which city?", "timeRange": "When?", "party_size_number": "How many people?",
            "restaurant_type": "What type of restaurant?",
        },
    ),
    "SNIPS, weather": (
        "snips_train_300perintent.parquet", "label = 'GetWeather'",
        {
            "city": "Which city?", "timeRange": "When?", "condition_description": "Which weather?",
            "country": "Which country?",
        },
    ),
    "SNIPS, music": (
        "snips_train_300perintent.parquet", "label = 'PlayMusic'",
        {"artist": "Which artist?", "service": "On which service?", "year": "Which year?", "album": "Which album?"},
    ),
}  # fmt: skip


def extract(short: bool) -> None:
    folder, data = _model(), _data()
    if folder is None:
        return
    lines: list[list[str]] = []
    for name, (file, which, fields) in _SLOTS.items():
        if not (data / file).is_file():
            continue
        rows = duckdb.execute(
            f"select text, spans from read_parquet($1) where {which} order by md5(text) limit $2",
            [str(data / file), 30 if short else 300],
        ).fetchall()
        right = [{span["slot"]: span["value"] for span in json.loads(spans)} for _, spans in rows]
        for verbatim in ("true", "false"):
            with _connected(folder, [text for text, _ in rows]) as con:
                call = f"ai_extract(text, {fields!r}, verbatim := {verbatim}, max_tokens := 100, model := 'judge')"
                found = [each for (each,) in con.execute(f"select {call} from t").fetchall()]
                (failed,) = con.execute("select count(*) from inlay_errors()").fetchall()[0]
            f1 = _micro_f1(found, right, list(fields))
            lines.append([name, str(len(rows)), verbatim, f"{f1:.3f}", f"{failed / len(rows):.1%}"])
    print(table(["set", "rows", "verbatim", "micro F1", "failed"], lines))
    save("language_quality.extract", {"model": folder, "rows": lines})


def _micro_f1(found: list[dict[str, str | None] | None], right: list[dict[str, str]], fields: list[str]) -> float:
    pairs = [
        ((each or {}).get(field), gold.get(field)) for each, gold in zip(found, right, strict=True) for field in fields
    ]
    hits = sum(a is not None and b is not None and a.strip().lower() == b.strip().lower() for a, b in pairs)
    return 2 * hits / max(1, sum((a is not None) + (b is not None) for a, b in pairs))


def _area(scores: list[float], right: list[bool]) -> float:
    """Under the curve: the share of pairs of a true and a false row in which the true one is above."""
    true = [score for score, holds in zip(scores, right, strict=True) if holds]
    false = [score for score, holds in zip(scores, right, strict=True) if not holds]
    return sum((a > b) + 0.5 * (a == b) for a in true for b in false) / (len(true) * len(false))


def _model() -> str | None:
    given = os.environ.get("INLAY_BENCH_MODEL")
    here = local_folder(read_settings({}).models["smollm2"])
    if not given and here is None:
        print("left out: no language model. inlay models add smollm2, or set INLAY_BENCH_MODEL")
    return given or (None if here is None else str(here))


def _data() -> Path:
    return Path(os.environ.get("INLAY_BENCH_DATA", ""))


def _connected(folder: str, texts: list[str]) -> inlay.Connection:
    con = inlay.connect(models={"judge": {"source": folder, "task": "generate"}}, progress="off")
    con.execute("create table t as select unnest($1) as text", [texts])
    return con


def _rows(path: Path, n_labels: int, n_rows: int) -> list[tuple[str, str]]:
    """As many of each label, in an order that no label decides."""
    return duckdb.execute(
        """
        with few as (select label from (select distinct label from read_parquet($1)) order by md5(label) limit $2)
        select text, label from read_parquet($1) semi join few using (label)
        qualify row_number() over (partition by label order by md5(text)) <= $3 order by md5(text)
        """,
        [str(path), n_labels, -(-n_rows // n_labels)],
    ).fetchall()


def _answers(con: inlay.Connection, labels: list[str]) -> list[str | None]:
    sql = f"select ai_classify(text, {labels!r}, model := 'judge') from t"
    return [answer for (answer,) in con.execute(sql).fetchall()]


@torch.inference_mode()
def _plainest(folder: str, questions: list[str], options: list[str]) -> list[list[float]]:
    """The summed log-likelihood of each option after each question."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = [tokenizer(option, add_special_tokens=False)["input_ids"] for option in options]
    width = max(map(len, tokens))
    padded = torch.tensor([each + [0] * (width - len(each)) for each in tokens])
    rows = []
    for question in questions:
        message = {"role": "user", "content": question}
        prompt = tokenizer.apply_chat_template([message], add_generation_prompt=True, return_dict=True)["input_ids"]
        read = model(torch.tensor([prompt]), use_cache=True)
        read.past_key_values.batch_repeat_interleave(len(tokens))
        sees = torch.ones(len(tokens), len(prompt) + width, dtype=torch.long)
        after = model(padded, past_key_values=read.past_key_values, attention_mask=sees).logits
        logits = torch.cat([read.logits[:, -1:].expand(len(tokens), -1, -1), after[:, :-1]], dim=1).log_softmax(-1)
        chosen = logits.gather(2, padded[:, :, None])[:, :, 0]
        rows.append([float(chosen[i, : len(each)].sum()) for i, each in enumerate(tokens)])
    return rows


def _same(answers: list[str | None] | list[str], others: list[str | None] | list[str]) -> float:
    return sum(a == b for a, b in zip(answers, others, strict=True)) / len(answers)


PARTS = {"classify": classify, "judge": judge, "extract": extract}
