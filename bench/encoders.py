"""The ways to get vectors for a column of texts that embed.py compares."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from bench.asking import model, numbers, work
from bench.side_by_side import Vectors
from bench.texts import make_texts

MODEL = "minilm"

# Padded tokens of a batch for the ways that sort by length, as the engine has it.
BATCH_TOKENS = 4_096


def model_folder() -> Path:
    return model(MODEL).folder


class InlaySql:
    """The whole statement, table to table, on a connection that knows nothing.

    row_groups: the table is a Parquet file with a row group for every 2,048 rows, which DuckDB reads with all its
    threads, as it does any table of more than 122,880 rows; a smaller table is read by one.
    """

    def __init__(self, *, row_groups: bool = False, **options: Any) -> None:
        self._options = {"progress": "off", **options}
        self._source = "t"
        self._folder = tempfile.TemporaryDirectory() if row_groups else None
        self.note = ""
        self._con: Any = None

    def ready(self, texts: list[str]) -> None:
        import inlay

        if self._con is not None:
            self._con.close()
        # A connection of its own is a session of its own, with an empty memory; the model stays loaded.
        self._con = inlay.connect(**self._options)
        self._con.execute("create table t (id integer, body varchar)")
        self._con.register("given", _table_of(texts))
        self._con.execute("insert into t select id, body from given order by id")
        self._con.execute("select ai_embed('the model is loaded by this')").fetchall()
        if self._folder:
            self._source = f"'{self._folder.name}/t.parquet'"
            self._con.execute(f"copy t to {self._source} (format parquet, row_group_size 2048)")

    def run(self) -> None:
        self._con.execute(f"create or replace table v as select id, ai_embed(body) as vector from {self._source}")

    def vectors(self) -> Vectors:
        return _vectors_of(self._con)


class InlayEngine:
    """The engine called directly with a list of texts, without SQL.

    max_batch_tokens, window_rows, workers: other than the engine's own, to see what they are worth. One worker
    computes with all cores on one batch; several compute on one core each. fuses: whether oneDNN adds biases and
    applies activations. keys_at_a_time: to how many keys attention is laid out.
    """

    def __init__(
        self,
        *,
        max_batch_tokens: int | None = None,
        window_rows: int | None = None,
        workers: int | None = None,
        fuses: bool | None = None,
        keys_at_a_time: int | None = None,
        **options: Any,
    ) -> None:
        from inlay.backends.encoders import lean_bert, run_attention
        from inlay.backends.load import load_backend
        from inlay.engine import pool
        from inlay.engine.number_jobs import NumbersJob

        def tuned(ref: Any) -> Any:
            backend = load_backend(ref)
            backend.max_batch_tokens = max_batch_tokens or backend.max_batch_tokens
            backend.workers = workers or backend.workers
            return backend

        # Of this process, which has nothing else to do.
        pool.load_backend = tuned
        NumbersJob.window_rows = window_rows or NumbersJob.window_rows
        run_attention.KEYS_AT_A_TIME = keys_at_a_time or run_attention.KEYS_AT_A_TIME
        if fuses is not None:
            lean_bert.onednn_fuses_bf16 = lambda: fuses
        self._ref = model(MODEL, **options)
        self.note = ""

    def ready(self, texts: list[str]) -> None:
        self._texts = texts
        self._work = work()
        numbers(self._ref, ["the model is loaded by this"], self._work)

    def run(self) -> None:
        self._outcome = numbers(self._ref, self._texts, self._work)

    def vectors(self) -> Vectors:
        return self._outcome.rows


class SentenceTransformers:
    """encode() over a list. batch_size: a number, or 'best': the best of BATCH_SIZES on texts of the set `like`."""

    BATCH_SIZES = (8, 16, 64)

    def __init__(self, batch_size: int | str = 32, like: str = "mixed", dtype: str | None = None) -> None:
        from sentence_transformers import SentenceTransformer

        kwargs = {"dtype": dtype} if dtype else {}
        self._model = SentenceTransformer(str(model_folder()), model_kwargs=kwargs)
        self._batch_size = batch_size
        self.note = ""
        if batch_size == "best":
            self._batch_size = self._best_of_sizes(make_texts(like, 256))
            self.note = f"batch size {self._batch_size}"

    def ready(self, texts: list[str]) -> None:
        self._texts = texts

    def run(self) -> None:
        self._found = self.encode(self._texts)

    def encode(self, texts: list[str]) -> Any:
        return self._model.encode(texts, batch_size=self._batch_size, show_progress_bar=False)

    def _best_of_sizes(self, texts: list[str]) -> int:
        seconds = dict.fromkeys(self.BATCH_SIZES, float("inf"))
        for size in 2 * self.BATCH_SIZES:
            started = time.process_time()
            self._model.encode(texts, batch_size=size, show_progress_bar=False)
            seconds[size] = min(seconds[size], time.process_time() - started)
        return min(seconds, key=lambda size: seconds[size])

    def vectors(self) -> Vectors:
        return np.asarray(self._found, dtype=np.float32)


class UserScript:
    """Table to table as a user writes it: execute, a list, encode, register, create table."""

    def __init__(self) -> None:
        self._encoder = SentenceTransformers()
        self.note = ""

    def ready(self, texts: list[str]) -> None:
        self._con = duckdb.connect()
        self._con.execute("create table t (id integer, body varchar)")
        self._con.register("given", _table_of(texts))
        self._con.execute("insert into t select id, body from given order by id")

    def run(self) -> None:
        rows = self._con.execute("select id, body from t").fetchall()
        vectors = self._encoder.encode([body for _, body in rows])
        made = pa.table({"id": [key for key, _ in rows], "vector": list(vectors)})
        self._con.register("made", made)
        self._con.execute("create or replace table v as select * from made")

    def vectors(self) -> Vectors:
        return _vectors_of(self._con)


class OnnxRuntime:
    """fastembed's way: batches of 256 in the order of the table, padded, fp32."""

    def __init__(self, batch_size: int = 256) -> None:
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(onnx_file()), providers=["CPUExecutionProvider"])
        self._tokenizer = _PaddingTokenizer()
        self._batch_size = batch_size
        self.note = ""

    def ready(self, texts: list[str]) -> None:
        self._texts = texts

    def run(self) -> None:
        found = []
        for start in range(0, len(self._texts), self._batch_size):
            ids, mask = self._tokenizer(self._texts[start : start + self._batch_size])
            given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            found.append(_pooled(self._session.run(None, given)[0], mask))
        self._found = np.concatenate(found)

    def vectors(self) -> Vectors:
        return self._found


class OpenVino:
    """bf16, rows sorted by length, batches on the engine's own token budget, two in flight."""

    def __init__(self, precision: str = "bf16") -> None:
        import openvino

        settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        self._compiled = openvino.Core().compile_model(str(onnx_file()), "CPU", settings)
        self._queue = openvino.AsyncInferQueue(self._compiled)
        self._queue.set_callback(self._take)
        self._tokenizer = _PaddingTokenizer()
        self.note = f"{len(self._queue)} streams"

    def ready(self, texts: list[str]) -> None:
        self._texts = texts

    def run(self) -> None:
        lengths = self._tokenizer.lengths(self._texts)
        self._found = np.empty((len(self._texts), 384), dtype=np.float32)
        order = np.argsort(-lengths, kind="stable")
        start = 0
        while start < len(order):
            rows = order[start : start + max(1, BATCH_TOKENS // int(lengths[order[start]]))]
            ids, mask = self._tokenizer.padded(rows)
            self._queue.start_async([ids, mask, np.zeros_like(ids)], (rows, mask))
            start += len(rows)
        self._queue.wait_all()

    def _take(self, request: Any, batch: tuple[Any, Any]) -> None:
        rows, mask = batch
        self._found[rows] = _pooled(request.get_output_tensor().data, mask)

    def vectors(self) -> Vectors:
        return self._found


class _PaddingTokenizer:
    """Token ids and masks, padded to the longest of the given texts and cut as the model's card says."""

    def __init__(self) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(256)

    def __call__(self, texts: list[str]) -> tuple[Any, Any]:
        self.lengths(texts)
        return self.padded(range(len(texts)))

    def lengths(self, texts: list[str]) -> Any:
        self._encoded = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]
        return np.array([len(ids) for ids in self._encoded])

    def padded(self, rows: Any) -> tuple[Any, Any]:
        lists = [self._encoded[row] for row in rows]
        mask = np.arange(max(map(len, lists)))[None] < np.array([len(ids) for ids in lists])[:, None]
        ids = np.zeros(mask.shape, dtype=np.int64)
        ids[mask] = np.concatenate(lists)
        return ids, mask.astype(np.int64)


def _pooled(hidden: Any, mask: Any) -> Vectors:
    summed = np.matmul(mask[:, None].astype(np.float32), hidden)[:, 0]
    mean = summed / mask.sum(axis=1, keepdims=True)
    return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), dtype=np.float32)


def onnx_file() -> Path:
    """The default model as ONNX, exported once into the temporary folder."""
    import onnxscript  # noqa: F401  (a missing package is named before any work)
    import torch
    from transformers import AutoModel

    path = Path(tempfile.gettempdir()) / f"inlay_bench_minilm_torch{torch.__version__}.onnx"
    if path.is_file():
        return path
    model = AutoModel.from_pretrained(model_folder(), add_pooling_layer=False, attn_implementation="eager").eval()

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            given = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
            return self.encoder(**given).last_hidden_state

    ids = torch.ones(2, 8, dtype=torch.long)
    mask = ids.clone()
    mask[1, 5:] = 0  # a mask of ones alone would be traced away
    shape = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", max=512)}
    part = path.with_suffix(f".{os.getpid()}")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            Encoder(),
            (ids, mask, torch.zeros_like(ids)),
            part,
            input_names=["input_ids", "attention_mask", "token_type_ids"],
            output_names=["last_hidden_state"],
            dynamic_shapes=(shape, shape, shape),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    part.replace(path)
    return path


def _table_of(texts: list[str]) -> pa.Table:
    return pa.table({"id": pa.array(range(len(texts)), type=pa.int32()), "body": texts})


def _vectors_of(con: Any) -> Vectors:
    found = con.execute("select vector from v order by id").fetchnumpy()["vector"]
    return np.stack([np.asarray(vector, dtype=np.float32) for vector in found])
