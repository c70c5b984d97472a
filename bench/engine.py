"""Is the engine well set, and where does its time go?

budget    tokens of a batch
window    rows that are merged and sorted by length at a time
workers   all cores on one batch, or one core on each of several batches
forward   what the two departures from plain torch in lean_bert.py and run_attention.py gain, in bf16
profile   CPU seconds of one core over mixed text, by kind of work
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from typing import Any

from bench.asking import model
from bench.encoders import MODEL
from bench.report import save, spread, table
from bench.side_by_side import Entry, take_turns
from bench.texts import make_texts

# What torch's profiler calls things, by the start of the name.
_KINDS = {
    "matrix products": ("aten::addmm", "aten::mm", "mkldnn::_linear_pointwise"),
    "attention": ("aten::_scaled_dot_product_flash_attention", "aten::bmm", "aten::_softmax"),
    "activation": ("aten::gelu", "aten::relu"),
    "layer norm": ("aten::native_layer_norm",),
    "sums of the residual stream": ("aten::add",),
    "casts, copies, biases": ("aten::copy_",),
    "token and position vectors": ("aten::index", "aten::embedding"),
    "pooling": ("aten::scatter_add_", "aten::index_add_"),
}


def budget(short: bool) -> None:
    sizes = (1_024, 2_048, 4_096, 8_192, 16_384)
    _compare("budget", {f"{size:,} tokens": {"max_batch_tokens": size} for size in sizes}, 4_096, "4,096 tokens", short)


def window(short: bool) -> None:
    sizes = (1_024, 2_048, 4_096, 8_192)
    _compare("window", {f"{size:,} rows": {"window_rows": size} for size in sizes}, 8_192, "8,192 rows", short)


def workers(short: bool) -> None:
    kinds = {"all cores on one batch": {"workers": 1}, "one core on each batch": {}}
    _compare("workers", kinds, 2_048, "all cores on one batch", short)


def forward(short: bool) -> None:
    plain = {"fuses": False, "keys_at_a_time": 1}
    kinds = {"plain": plain, "biases and gelu fused": {**plain, "fuses": True}, "fused, and keys by sixteens": {}}
    _compare("forward", kinds, 2_048, "plain", short)


def _compare(part: str, kinds: Mapping[str, Mapping[str, Any]], n_rows: int, base: str, short: bool) -> None:
    rows, found = [], {}
    for name in ("mixed",) if short else ("mixed", "short"):
        n = n_rows // 8 if short else n_rows // 4 if name == "mixed" else n_rows
        entries = [Entry(kind, "bench.encoders:InlayEngine", options) for kind, options in kinds.items()]
        turns = take_turns(entries, make_texts(name, n), rounds=2 if short else 5)
        found[name] = [turn.as_json() for turn in turns]
        compared = next(turn for turn in turns if turn.name == base)
        for turn in turns:
            ratios = (spread(turn.faster_than(compared, clock)) for clock in ("wall_s", "cpu_s"))
            rows.append([f"{n} {name}, {turn.name}", *ratios])
    print(f"rows per second over '{base}'\n")
    print(table(["texts", "× wall", "× CPU"], rows))
    save(f"engine.{part}", found)


def profile(short: bool) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        shares = {name: pool.apply(_profile, (name, 256 if short else 1_024)) for name in ("mixed", "short")}
    rows = [[kind, *(f"{found[kind]:.0%}" for found in shares.values())] for kind in shares["mixed"]]
    print(table(["of one core's time", *shares], rows))
    save("engine.profile", shares)


def _profile(name: str, n_rows: int) -> dict[str, float]:
    """Share of each kind of work, in one process with one thread."""
    import time

    import numpy as np
    import torch
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as recorded

    from inlay.backends.load import load_backend
    from inlay.engine.batches import cut_batches
    from inlay.engine.number_jobs import select_rows
    from inlay.store.inputs import text_inputs

    backend = load_backend(model(MODEL))
    torch.set_num_threads(1)
    texts = make_texts(name, n_rows)
    backend.run(backend.tokenize(texts[:32], None, ""))
    started = time.process_time()
    tokens = backend.tokenize(texts, None, "")
    tokenized = time.process_time()
    text_inputs(texts)
    batches = [select_rows(tokens, rows) for rows in cut_batches(tokens.lengths, backend.max_batch_tokens)]
    batched = time.process_time()
    found = [backend.run(batch) for batch in batches]
    assert len(np.concatenate(found)) == n_rows
    ran = time.process_time()
    with recorded(activities=[ProfilerActivity.CPU]) as profiled:
        for batch in batches:
            backend.run(batch)
    by_name = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    whole = ran - started
    in_torch = (ran - batched) / sum(by_name.values())
    shares = {"tokenising": (tokenized - started) / whole, "keys and batches": (batched - tokenized) / whole}
    for kind, beginnings in _KINDS.items():
        named = sum(spent for key, spent in by_name.items() if key.startswith(beginnings))
        shares[kind] = named * in_torch / whole
        by_name = {key: spent for key, spent in by_name.items() if not key.startswith(beginnings)}
    shares["the rest of torch and Python"] = sum(by_name.values()) * in_torch / whole
    return shares


PARTS = {"budget": budget, "window": window, "workers": workers, "forward": forward, "profile": profile}
SHORT = ("profile",)
