"""How fast is `create table v as select ai_embed(body) from t`, beside what people do today?

Every way starts from texts that it has not seen, with its model loaded and warm, and ends with all vectors; those
marked SQL start from a DuckDB table and end in one. The ways take turns (side_by_side.py) over the same texts
(texts.py). The cosine is the least of all rows against sentence-transformers in fp32.

mixed, long, short   side by side on each kind of text
overhead             the SQL statement against the engine called directly, on several DuckDB vectors of rows: from a
                     small table, which one DuckDB thread reads, and cut into row groups as a large table is
fp32                 both in fp32: as the machine is, and held to AVX2, which is what a CPU without AMX and AVX512 does
"""

from __future__ import annotations

from functools import partial

import numpy as np

from bench.encoders import model_folder
from bench.limits import gemm_tokens_per_s, share_of_practical
from bench.report import median, save, spread, table
from bench.side_by_side import Entry, Turns, take_turns
from bench.texts import make_texts

BASE = "sentence-transformers"
SQL = "inlay, SQL"
ENGINE = "inlay, engine alone"

_AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}

# Rows, and rows for the way that pads most: about equal numbers of tokens.
_ROWS = {"mixed": (512, 256), "long": (256, 256), "short": (2_048, 512)}


def side_by_side(name: str, short: bool) -> None:
    n_rows, n_slow = _ROWS[name]
    ways = "bench.encoders:"
    entries = [
        Entry(BASE, f"{ways}SentenceTransformers"),
        Entry(f"{BASE}, best batch size", f"{ways}SentenceTransformers", {"batch_size": "best", "like": name}),
        Entry(f"{BASE}, bf16", f"{ways}SentenceTransformers", {"dtype": "bfloat16"}),
        Entry("script around it, SQL", f"{ways}UserScript"),
        Entry("ONNX Runtime as fastembed", f"{ways}OnnxRuntime", rows=n_slow, once=True),
        Entry("OpenVINO bf16, sorted", f"{ways}OpenVino"),
        Entry(ENGINE, f"{ways}InlayEngine"),
        Entry(SQL, f"{ways}InlaySql"),
    ]
    if short:
        entries = [entries[0], *entries[5:]]
        n_rows //= 2
    texts = make_texts(name, n_rows)
    turns = take_turns(entries, texts, rounds=2 if short else 3)
    tokens = _tokens(texts)
    print(f"{n_rows} {name} texts, {tokens.mean():.0f} tokens in the mean, {len(turns[0].wall_s)} rounds\n")
    base = turns[0]
    rows = []
    for turn in turns:
        per_cpu_s = [tokens[: turn.n_rows].sum() / seconds for seconds in turn.cpu_s]
        rows.append(
            [
                turn.name + (f" ({turn.note})" if turn.note else ""),
                f"{median([turn.n_rows / seconds for seconds in turn.wall_s]):.0f}",
                spread(turn.faster_than(base, "wall_s")),
                spread(turn.faster_than(base, "cpu_s")),
                f"{median(per_cpu_s) / 1000:.1f}k",
                share_of_practical(median(per_cpu_s)),
                f"{_least_cosine(turn, base):.5f}",
            ]
        )
    columns = ["way", "rows/s", "× wall", "× CPU", "tokens/CPU s", "of practical limit", "least cosine"]
    print(table(columns, rows))
    found = {"rows": n_rows, "tokens": int(tokens.sum()), "ways": [turn.as_json() for turn in turns]}
    named = {turn.name: turn for turn in turns}
    if "OpenVINO bf16, sorted" in named:
        over = named[SQL].faster_than(named["OpenVINO bf16, sorted"], "wall_s")
        print(f"\n{SQL} over OpenVINO bf16: {spread(over)} × wall")
    limit = gemm_tokens_per_s()
    mine = median([tokens.sum() / seconds for seconds in named[SQL].cpu_s])
    print(f"bf16 matrix products alone: {limit / 1000:.0f}k tokens a second and core; {SQL} reaches {mine / limit:.0%}")
    save(f"embed.{name}", {**found, "gemm_tokens_per_s": limit})


def overhead(short: bool) -> None:
    rows = []
    found = {}
    for name, n_rows in (("short", 4_096),) if short else (("mixed", 4_096), ("short", 12_288)):
        entries = [
            Entry(ENGINE, "bench.encoders:InlayEngine"),
            Entry("one DuckDB thread", "bench.encoders:InlaySql"),
            Entry("all DuckDB threads", "bench.encoders:InlaySql", {"row_groups": True}),
        ]
        turns = take_turns(entries, make_texts(name, n_rows), rounds=2 if short else 3)
        found[name] = [turn.as_json() for turn in turns]
        engine, *statements = turns
        for sql in statements:
            rows.append(
                [
                    f"{n_rows} {name}, {sql.name}",
                    spread([1 / ratio for ratio in sql.faster_than(engine, "wall_s")]),
                    spread([1 / ratio for ratio in sql.faster_than(engine, "cpu_s")]),
                ]
            )
    print("time of the SQL statement over the engine alone\n")
    print(table(["texts", "× wall", "× CPU"], rows))
    save("embed.overhead", found)


def fp32(short: bool) -> None:
    theirs, ours = "bench.encoders:SentenceTransformers", "bench.encoders:InlaySql"
    forced = {"dtype": "float32"}
    entries = [
        Entry(f"{BASE}, fp32", theirs),
        Entry(f"{SQL}, fp32", ours, forced),
        Entry(f"{BASE}, fp32, AVX2", theirs, environment=_AVX2),
        Entry(f"{SQL}, fp32, AVX2", ours, forced, environment=_AVX2),
    ]
    n_rows = 128 if short else 384
    turns = take_turns(entries, make_texts("mixed", n_rows), rounds=2 if short else 3)
    rows = [
        [
            turn.name,
            f"{median([turn.n_rows / seconds for seconds in turn.wall_s]):.0f}",
            spread(turn.faster_than(base, "wall_s")),
            spread(turn.faster_than(base, "cpu_s")),
            f"{_least_cosine(turn, turns[0]):.5f}",
        ]
        for turn, base in zip(turns, (turns[0], turns[0], turns[2], turns[2]), strict=True)
    ]
    print(f"{n_rows} mixed texts; each pair against its own first line\n")
    print(table(["way", "rows/s", "× wall", "× CPU", "least cosine"], rows))
    save("embed.fp32", {"rows": n_rows, "ways": [turn.as_json() for turn in turns]})


def _tokens(texts: list[str]) -> np.ndarray:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    return np.array([len(encoding) for encoding in tokenizer.encode_batch_fast(texts)])


def _least_cosine(turn: Turns, base: Turns) -> float:
    assert turn.vectors is not None and base.vectors is not None
    mine, theirs = turn.vectors.astype(np.float64), base.vectors[: turn.n_rows].astype(np.float64)
    lengths = np.linalg.norm(mine, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(((mine * theirs).sum(axis=1) / lengths).min())


PARTS = {**{name: partial(side_by_side, name) for name in _ROWS}, "overhead": overhead, "fp32": fp32}
SHORT = ("mixed", "overhead", "fp32")
