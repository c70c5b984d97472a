"""What functions ask of a model: one row of numbers per text, computed once per distinct input.

The answers are kept in a Memory, by content, so that several functions over the same text and several chunks of
the same statement share one pass of the model; and in the result store, where there is one, so that later processes
do too. What DuckDB handed over at once is stored before the call returns: a killed run loses no more than that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from inlay import __version__
from inlay.arrays import Bools, Floats, Ints, vector_array, vector_rows
from inlay.backends.base import Choices, Tokens
from inlay.engine.cancel import Token
from inlay.engine.each_once import answer_each_once, distinct_keys
from inlay.engine.finished import finished_by
from inlay.engine.lane import Job, Lane, select_rows
from inlay.engine.limits import Limits, Reserved
from inlay.engine.pool import lane_for, remote_embedder, tokenizer_of
from inlay.engine.result_cache import Memory, empty_rows
from inlay.errors import BudgetExceededError
from inlay.models.ref import ModelRef
from inlay.store.keys import input_keys, signature
from inlay.store.parts import with_inputs
from inlay.store.results import Store
from inlay.store.shelf import Shelf

Told = Callable[[float, int], None]
"""told(share, tokens): a share of what was asked is done."""

# Texts tokenised at a time: the device works on one slice while the next is tokenised.
TOKENIZE_ROWS = 2_048


@dataclass
class Outcome:
    """One row per input, in input order.

    rows: float32, n by the model's width; rows of failed inputs are 0 and stand in `errors` (position → reason).
    known: True where nothing had to be computed. tokens: how many the model read for this outcome.
    truncated: how many texts were cut at the model's limit for this outcome. loading_seconds: spent on loading it.
    """

    rows: Floats
    errors: dict[int, str] = field(default_factory=dict)
    known: Bools = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    tokens: int = 0
    truncated: int = 0
    loading_seconds: float = 0.0


class Inference:
    """The engine of one session."""

    def __init__(
        self,
        memory: Memory,
        store: Store | None = None,
        *,
        store_vectors: bool = True,
        store_inputs: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.memory = memory
        self.store = store
        self.store_vectors = store_vectors
        self.store_inputs = store_inputs
        self.limits = Limits() if limits is None else limits

    def load(self, ref: ModelRef) -> float:
        """Loads the model where it is not; returns the seconds that took."""
        began = time.perf_counter()
        lane_for(ref)
        return time.perf_counter() - began

    def count_tokens(self, ref: ModelRef, texts: list[str]) -> tuple[Ints, dict[int, str]]:
        """Tokens of each text before any cut, special tokens included; texts that cannot be read go to errors."""
        tokenize = self._tokenizer(ref)
        counts = np.zeros(len(texts), dtype=np.int64)
        errors: dict[int, str] = {}
        for start in range(0, len(texts), TOKENIZE_ROWS):
            part = texts[start : start + TOKENIZE_ROWS]
            try:
                counts[start : start + len(part)] = tokenize(part, None, "").lengths_before
            except Exception:  # one text spoiled the slice; find out which
                for offset, text in enumerate(part):
                    try:
                        counts[start + offset] = tokenize([text], None, "").lengths_before[0]
                    except Exception as error:
                        errors[start + offset] = f"the text cannot be tokenised: {error}"
        return counts, errors

    def _tokenizer(self, ref: ModelRef) -> Callable[[list[str], list[str] | None, str], Tokens]:
        # An encoder's own copy where it is loaded anyway; of a language model the tokenizer alone, without the weights.
        if ref.task == "generate" or ref.endpoint is not None:
            return tokenizer_of(ref)
        return lane_for(ref).backend.tokenize

    def run(
        self,
        ref: ModelRef,
        texts: list[str],
        pairs: list[str] | None = None,
        *,
        prompt: str | Choices = "",
        cancel: Token,
        told: Told | None = None,
        owner: int | None = None,
        keep: bool = False,
    ) -> Outcome:
        """The model's rows for texts, or for (text, pair); `prompt` is put before each text, or is what a language
        model is asked of each.

        told(share, tokens) hears of every batch: which share of what had to be computed it was. owner: a number for
        the call of a statement; what another thread computes for the same owner was not known. keep: store the rows
        even where store_vectors is off.

        Raises ModelError when the model cannot be loaded, InterruptedQueryError when cancelled.
        """
        question, keys = numbers_keys(ref, prompt, texts, pairs)
        distinct = distinct_keys(keys)
        width = row_width(ref, prompt)
        rows = empty_rows(len(distinct.keys), width)
        outcome = Outcome(rows)
        shelf = self._shelf(ref, question)

        def stored(missing: list[int]) -> list[int]:
            return missing if shelf is None else self._from_store(shelf, distinct.keys, missing, rows, owner)

        def compute(places: list[int]) -> None:
            if pairs is not None and isinstance(prompt, Choices):  # what is asked of one text is best read together
                places.sort(key=lambda place: texts[distinct.first[place]])
            self._compute(
                ref,
                [texts[distinct.first[m]] for m in places],
                None if pairs is None else [pairs[distinct.first[m]] for m in places],
                prompt,
                [distinct.keys[m] for m in places],
                places,
                outcome,
                cancel,
                told,
                owner,
                shelf if keep or self.store_vectors else None,
            )

        known = answer_each_once(
            self.memory, distinct.keys, rows,
            empty=lambda n: empty_rows(n, width), stored=stored, compute=compute, cancel=cancel, owner=owner,
        )  # fmt: skip
        where = distinct.where
        return Outcome(
            rows if len(rows) == len(where) else rows[where],
            {i: outcome.errors[int(w)] for i, w in enumerate(where) if int(w) in outcome.errors},
            known[where],
            outcome.tokens,
            outcome.truncated,
            outcome.loading_seconds,
        )

    def _shelf(self, ref: ModelRef, question: Mapping[str, Any]) -> Shelf | None:
        if self.store is None:
            return None
        return self.store.shelf(numbers_name(ref), question, about_model(ref))

    def _from_store(
        self, shelf: Shelf, keys: list[bytes], missing: list[int], rows: Floats, owner: int | None
    ) -> list[int]:
        """Fills in what the store knows; returns the positions it does not."""
        shelf.refresh(owner)
        at, table = shelf.find([keys[m][32:] for m in missing])
        if table is None:
            return missing
        found = vector_rows(table["value"])
        places = [missing[i] for i in at]
        rows[places] = found
        self.memory.publish([keys[place] for place in places], found, None)
        return sorted(set(missing) - set(places))

    def _compute(
        self,
        ref: ModelRef,
        texts: list[str],
        pairs: list[str] | None,
        prompt: str | Choices,
        keys: list[bytes],
        places: list[int],
        outcome: Outcome,
        cancel: Token,
        told: Told | None,
        owner: int | None,
        shelf: Shelf | None,
    ) -> None:
        if ref.endpoint is not None:
            asked = [f"{prompt}{text}" for text in texts]
            began = time.perf_counter()
            try:
                self._compute_remote(ref, asked, keys, places, outcome, cancel, told, owner, shelf)
            finally:
                self.limits.took(time.perf_counter() - began)
            return
        outcome.loading_seconds += self.load(ref)
        lane = lane_for(ref)
        began = time.perf_counter()

        def count(finished: int, tokens: int) -> None:
            if told is not None:
                told(finished / len(texts), tokens)

        submitted: list[tuple[Job, list[int]]] = []
        refused: BudgetExceededError | None = None
        for start in range(0, len(texts), TOKENIZE_ROWS):
            cancel.check()
            chunk = slice(start, start + TOKENIZE_ROWS)
            part = None if pairs is None else pairs[chunk]
            try:
                submitted += self._submit(lane, ref, texts[chunk], part, prompt, start, places, outcome, cancel, count)
            except BudgetExceededError as error:
                refused = error  # what went before is finished and kept
                break
        for job, positions in submitted:
            job.wait()
            good = [i for i in range(len(positions)) if i not in job.errors]
            for i, reason in job.errors.items():
                outcome.errors[places[positions[i]]] = reason
            answered = job.rows[good] if job.errors else job.rows
            outcome.rows[[places[positions[i]] for i in good]] = answered
            outcome.tokens += int(job.tokens.lengths.sum())
            outcome.truncated += int((job.tokens.lengths_before > job.tokens.lengths).sum())
            columns = [texts] if pairs is None else [texts, pairs]
            inputs = [[column[positions[i]] for i in good] for column in columns] if self.store_inputs else []
            self._publish([keys[positions[i]] for i in good], answered, inputs, owner, shelf)
        self.limits.took(time.perf_counter() - began)
        if refused is not None:
            raise refused

    def _publish(
        self, keys: list[bytes], rows: Floats, inputs: list[list[str]], owner: int | None, shelf: Shelf | None
    ) -> None:
        """To memory and, where there is a shelf, to the store."""
        self.memory.publish(keys, rows, owner)
        if shelf is not None and self.store is not None:
            table = pa.table({"value": vector_array(rows)})
            self.store.publish(shelf, [key[32:] for key in keys], with_inputs(table, inputs) if inputs else table)

    def _compute_remote(
        self,
        ref: ModelRef,
        texts: list[str],
        keys: list[bytes],
        places: list[int],
        outcome: Outcome,
        cancel: Token,
        told: Told | None,
        owner: int | None,
        shelf: Shelf | None,
    ) -> None:
        """Vectors from an endpoint, kept as they come."""
        embedder = remote_embedder(ref)
        reserved = Reserved(self.limits, ref)
        reserved.spend(len(texts), 0)

        def work(put: Callable[[tuple[int, Floats | str, int]], None]) -> None:
            embedder.embed(
                texts, stopped=lambda: cancel.cancelled,
                spend=lambda tokens, written: reserved.spend(0, tokens, written),
                done=lambda position, row, tokens: put((position, row, tokens)),
            )  # fmt: skip

        with reserved:
            for batch in finished_by(f"inlay {ref.name}", work).batches(cancel, TOKENIZE_ROWS):
                good = [(position, row) for position, row, _ in batch if not isinstance(row, str)]
                outcome.errors.update({places[position]: row for position, row, _ in batch if isinstance(row, str)})
                tokens = sum(tokens for _, _, tokens in batch)
                reserved.use(tokens)
                outcome.tokens += tokens
                if good:
                    rows = np.stack([row for _, row in good]).astype(np.float32)
                    outcome.rows[[places[position] for position, _ in good]] = rows
                    inputs = [[texts[position] for position, _ in good]] if self.store_inputs else []
                    self._publish([keys[position] for position, _ in good], rows, inputs, owner, shelf)
                if told is not None:
                    told(len(batch) / len(texts), tokens)

    def _submit(
        self,
        lane: Lane,
        ref: ModelRef,
        texts: list[str],
        pairs: list[str] | None,
        prompt: str | Choices,
        start: int,
        places: list[int],
        outcome: Outcome,
        cancel: Token,
        count: Callable[[int, int], None],
    ) -> list[tuple[Job, list[int]]]:
        """Tokenises one slice and hands it over; a text that the tokenizer refuses fails alone."""
        backend = lane.backend
        positions = list(range(start, start + len(texts)))
        try:
            tokens = backend.tokenize(texts, pairs, prompt)
        except Exception as error:
            if len(texts) == 1:
                outcome.errors[places[start]] = f"the text cannot be tokenised: {error}"
                return []
            half = len(texts) // 2
            submitted = []
            for begin, part in ((0, slice(half)), (half, slice(half, None))):
                second = None if pairs is None else pairs[part]
                submitted += self._submit(
                    lane, ref, texts[part], second, prompt, start + begin, places, outcome, cancel, count
                )
            return submitted
        refused = np.zeros(len(texts), dtype=np.bool_)
        # Of `ref`, not of lane.backend.ref: sessions whose settings name or price the model otherwise share the lane.
        if ref.too_long == "error":
            for i in np.flatnonzero(tokens.lengths_before > ref.max_tokens):
                refused[i] = True
                outcome.errors[places[positions[i]]] = (
                    f"the text has {tokens.lengths_before[i]:,} tokens; model {ref.name!r} reads "
                    f"{ref.max_tokens:,} and too_long = 'error' is set"
                )
        for i in np.flatnonzero(tokens.lengths == 0):
            refused[i] = True
            outcome.errors[places[positions[i]]] = "the tokenizer finds no token in this text"
        if refused.any():
            kept = np.flatnonzero(~refused)
            tokens = select_rows(tokens, kept)
            positions = [positions[k] for k in kept]
        n_tokens = int(tokens.lengths.sum())
        self.limits.spend(len(tokens), n_tokens, ref.cost(n_tokens))
        return [(lane.submit(tokens, cancel, count), positions)]


def numbers_question(ref: ModelRef, prompt: str | Choices, *, pair: bool) -> dict[str, Any]:
    """What a model's numbers depend on beside the input. dtype is what was asked for: with 'auto', machines of
    different precision share results, within the tolerance that docs/models.md states."""
    return {
        "numbers": 1,
        "model": ref.fingerprint,
        "dtype": ref.dtype,
        "too_long": ref.too_long,
        "prompt": prompt if isinstance(prompt, str) else asdict(prompt),
        "pair": pair,
    }


def numbers_keys(
    ref: ModelRef, prompt: str | Choices, texts: list[str], pairs: list[str] | None
) -> tuple[dict[str, Any], list[bytes]]:
    """The question, and what the numbers of each input are known by in memory: its signature and the input's key."""
    question = numbers_question(ref, prompt, pair=pairs is not None)
    signed = bytes.fromhex(signature(question))
    return question, [signed + key for key in input_keys([texts] if pairs is None else [texts, pairs])]


def numbers_name(ref: ModelRef) -> str:
    return {"embed": "vectors", "generate": "likelihoods"}.get(ref.task, "logits")


def row_width(ref: ModelRef, prompt: str | Choices) -> int:
    """How many numbers the model gives for one text."""
    return len(prompt.options) if isinstance(prompt, Choices) else ref.width


def about_model(ref: ModelRef) -> dict[str, Any]:
    """What a manifest says of the model, for people."""
    return {"model": {"name": ref.name, "source": ref.source, "task": ref.task}, "created_by": f"inlay {__version__}"}
