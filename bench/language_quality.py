"""How often is a language model right through ai_classify, and how often asked in the plainest way?

The plainest way: the chat template, one user message of the text, a blank line and `Which one: a, b, c?`, and the label
with the highest summed log-likelihood. Both ways see the same rows. 'Reversed': the share of rows whose answer is the
same when the labels are given in reverse.

Needs INLAY_BENCH_MODEL, a folder of a language model as transformers saves it, and INLAY_BENCH_DATA, a folder with the
Parquet files below, of columns text and label; what is missing is left out.
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import inlay
from bench.report import save, table

_SETS = {
    "SNIPS, 7 intents": ("snips_train_300perintent.parquet", 7),
    "banking77, 10 intents": ("banking77_train_40perclass.parquet", 10),
    "banking77, 77 intents": ("banking77_train_40perclass.parquet", 77),
}


def classify(short: bool) -> None:
    folder, data = os.environ.get("INLAY_BENCH_MODEL"), Path(os.environ.get("INLAY_BENCH_DATA", ""))
    if not folder:
        print("left out: INLAY_BENCH_MODEL names no folder of a language model")
        return
    lines: list[list[str]] = []
    for name, (file, n_labels) in _SETS.items():
        if not (data / file).is_file() or (short and n_labels > 10):
            continue
        rows = _rows(data / file, n_labels, 70 if short else 300)
        labels = sorted({label for _, label in rows})
        with inlay.connect(models={"judge": {"source": folder, "task": "generate"}}, progress="off") as con:
            con.execute("create table t as select unnest($1) as text", [[text for text, _ in rows]])
            ours, reversed_ = (_answers(con, each) for each in (labels, labels[::-1]))
        plain = _plainest(folder, [text for text, _ in rows], labels)
        right = [label for _, label in rows]
        shares = (_same(ours, right), _same(plain, right), _same(ours, reversed_))
        lines.append([name, str(len(rows)), *(f"{share:.3f}" for share in shares)])
    print(table(["set", "rows", "ai_classify", "plainest prompt", "reversed"], lines))
    save("language_quality.classify", {"model": folder, "rows": lines})


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
def _plainest(folder: str, texts: list[str], labels: list[str]) -> list[str]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    options = [tokenizer(label, add_special_tokens=False)["input_ids"] for label in labels]
    width = max(map(len, options))
    padded = torch.tensor([option + [0] * (width - len(option)) for option in options])
    answers = []
    for text in texts:
        message = {"role": "user", "content": f"{text}\n\nWhich one: {', '.join(labels)}?"}
        prompt = tokenizer.apply_chat_template([message], add_generation_prompt=True, return_dict=True)["input_ids"]
        read = model(torch.tensor([prompt]), use_cache=True)
        read.past_key_values.batch_repeat_interleave(len(options))
        sees = torch.ones(len(options), len(prompt) + width, dtype=torch.long)
        after = model(padded, past_key_values=read.past_key_values, attention_mask=sees).logits
        logits = torch.cat([read.logits[:, -1:].expand(len(options), -1, -1), after[:, :-1]], dim=1).log_softmax(-1)
        chosen = logits.gather(2, padded[:, :, None])[:, :, 0]
        likely = [float(chosen[i, : len(option)].sum()) for i, option in enumerate(options)]
        answers.append(labels[max(range(len(labels)), key=likely.__getitem__)])
    return answers


def _same(answers: list[str | None] | list[str], others: list[str | None] | list[str]) -> float:
    return sum(a == b for a, b in zip(answers, others, strict=True)) / len(answers)


PARTS = {"classify": classify}
