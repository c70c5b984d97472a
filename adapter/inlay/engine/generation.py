"""What functions ask of a language model: one text per prompt, generated once per distinct prompt.

Replies are kept in memory and in the result store as they come, a few at a time: a process that is killed has lost no
more than those that were under way. So a function that asks several times for one answer resumes in the middle, and a
reply that was paid for is never paid for again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from inlay.arrays import Bools
from inlay.backends.base import Instruction, Prompt, Reply
from inlay.engine.cancel import Token
from inlay.engine.each_once import answer_each_once, distinct_keys
from inlay.engine.finished import finished_by
from inlay.engine.inference import Inference, Told, about_model
from inlay.engine.limits import Reserved
from inlay.engine.pool import remote_model, text_lane
from inlay.engine.text_lane import TextJob
from inlay.errors import BudgetExceededError
from inlay.json_schema import validated
from inlay.models.ref import ModelRef
from inlay.store.keys import input_keys, signature
from inlay.store.parts import with_inputs
from inlay.store.shelf import Shelf

Finished = tuple[int, Reply | str]
"""A prompt's position, and its reply or why there is none."""

# Prompts handed to a model in this process at a time.
SLICE_ROWS = 2_048


@dataclass
class Completions:
    """One text per prompt, in their order; None where the row failed, with the reason in errors.

    known: True where nothing had to be generated. tokens and output_tokens: read and written for these replies.
    truncated: how many texts were cut for them. loading_seconds: spent on loading the model.
    """

    texts: list[str | None]
    errors: dict[int, str] = field(default_factory=dict)
    known: Bools = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    tokens: int = 0
    output_tokens: int = 0
    truncated: int = 0
    loading_seconds: float = 0.0


class Generation:
    """Language models of one session. It shares memory, store and limits with the session's Inference."""

    def __init__(self, inference: Inference) -> None:
        self.memory = inference.memory
        self.store = inference.store
        self.limits = inference.limits
        self.store_inputs = inference.store_inputs

    def run(
        self,
        ref: ModelRef,
        instruction: Instruction,
        prompts: Sequence[Prompt],
        *,
        cancel: Token,
        told: Told | None = None,
        owner: int | None = None,
    ) -> Completions:
        """The model's replies. told and owner: as for Inference.run.

        Raises ModelError when the model cannot be loaded or its endpoint refuses everything, BudgetExceededError
        before a limit would be passed, InterruptedQueryError when cancelled. What was replied before is kept.
        """
        question, keys = completion_keys(ref, instruction, prompts)
        distinct = distinct_keys(keys)
        shelf = None if self.store is None else self.store.shelf("completions", question, about_model(ref))
        texts: list[Any] = [None] * len(distinct.keys)
        found = Completions(texts)

        def stored(missing: list[int]) -> list[int]:
            return missing if shelf is None else self._from_store(shelf, distinct.keys, missing, texts, owner)

        def compute(places: list[int]) -> None:
            asked = [prompts[distinct.first[place]] for place in places]
            replies = self._replies(ref, instruction, asked, [distinct.keys[p] for p in places], cancel, found)
            self._keep(replies, instruction, places, distinct.keys, asked, found, shelf, told, owner)

        known = answer_each_once(
            self.memory, distinct.keys, texts,
            empty=lambda n: [None] * n, stored=stored, compute=compute, cancel=cancel, owner=owner,
        )  # fmt: skip
        where = distinct.where
        found.texts = [texts[w] for w in where]
        found.errors = {i: found.errors[int(w)] for i, w in enumerate(where) if int(w) in found.errors}
        found.known = known[where]
        return found

    def _from_store(
        self, shelf: Shelf, keys: list[bytes], missing: list[int], texts: list[Any], owner: int | None
    ) -> list[int]:
        """Fills in what the store knows; returns the positions it does not."""
        shelf.refresh(owner)
        at, table = shelf.find([keys[m][32:] for m in missing])
        if table is None:
            return missing
        places = [missing[i] for i in at]
        found = table["value"].to_pylist()
        for place, text in zip(places, found, strict=True):
            texts[place] = text
        self.memory.publish([keys[place] for place in places], found, None)
        return sorted(set(missing) - set(places))

    def _keep(
        self,
        replies: Iterator[list[Finished]],
        instruction: Instruction,
        places: list[int],
        keys: list[bytes],
        asked: Sequence[Prompt],
        found: Completions,
        shelf: Shelf | None,
        told: Told | None,
        owner: int | None,
    ) -> None:
        """Takes replies as they come into `found`, memory and store."""
        for batch in replies:
            good: list[tuple[int, str]] = []
            tokens = 0
            for position, reply in batch:
                if isinstance(reply, Reply):
                    tokens += reply.tokens + reply.output_tokens
                    found.tokens += reply.tokens
                    found.output_tokens += reply.output_tokens
                    found.truncated += reply.truncated
                    reply = _as_asked(instruction, reply)
                if isinstance(reply, str):
                    found.errors[places[position]] = reply
                    continue
                found.texts[places[position]] = reply.text
                good.append((position, reply.text))
            self.memory.publish([keys[places[position]] for position, _ in good], [text for _, text in good], owner)
            if shelf is not None and self.store is not None and good:
                table = pa.table({"value": pa.array([text for _, text in good], type=pa.string())})
                if self.store_inputs:
                    inputs = [asked[position] for position, _ in good]
                    columns = [[p.before for p in inputs], [p.text for p in inputs], [p.after for p in inputs]]
                    table = with_inputs(table, columns)
                self.store.publish(shelf, [keys[places[position]][32:] for position, _ in good], table)
            if told is not None:
                told(len(batch) / len(places), tokens)

    def _replies(
        self,
        ref: ModelRef,
        instruction: Instruction,
        prompts: Sequence[Prompt],
        keys: Sequence[bytes],
        cancel: Token,
        found: Completions,
    ) -> Iterator[list[Finished]]:
        """Some at a time, as they are finished."""
        began = time.perf_counter()
        try:
            if ref.endpoint is not None:
                yield from self._remote(ref, instruction, prompts, keys, cancel)
            else:
                text_lane(ref)
                found.loading_seconds += time.perf_counter() - began
                began = time.perf_counter()
                yield from self._local(ref, instruction, prompts, cancel)
        finally:
            self.limits.took(time.perf_counter() - began)

    def _local(
        self, ref: ModelRef, instruction: Instruction, prompts: Sequence[Prompt], cancel: Token
    ) -> Iterator[list[Finished]]:
        lane = text_lane(ref)
        start, n_rows = 0, SLICE_ROWS
        while start < len(prompts):
            cancel.check()
            n_rows = min(n_rows, len(prompts) - start)
            encoded = lane.model.encode(instruction, prompts[start : start + n_rows])
            rows = [(start + i, row) for i, row in enumerate(encoded) if not isinstance(row, str)]
            with Reserved(self.limits, ref) as reserved:
                try:
                    reserved.spend(len(rows), sum(len(row.ids) for _, row in rows), len(rows) * instruction.max_tokens)
                except BudgetExceededError:
                    if n_rows == 1:
                        raise
                    n_rows //= 2  # fewer may do, and their replies may be shorter than they might have been
                    continue
                if refused := [(start + i, row) for i, row in enumerate(encoded) if isinstance(row, str)]:
                    yield list(refused)
                job = TextJob(instruction, [row for _, row in rows], [position for position, _ in rows], cancel)
                lane.submit(job)
                yield from _accounted(job.finished.batches(cancel), reserved)
            start += n_rows
            n_rows = min(SLICE_ROWS, 2 * n_rows)

    def _remote(
        self, ref: ModelRef, instruction: Instruction, prompts: Sequence[Prompt], keys: Sequence[bytes], cancel: Token
    ) -> Iterator[list[Finished]]:
        model = remote_model(ref, self.store)
        reserved = Reserved(self.limits, ref)

        def work(put: Callable[[Finished], None]) -> None:
            model.complete(
                instruction, prompts, keys=[key.hex() for key in keys], stopped=lambda: cancel.cancelled,
                spend=lambda tokens, written: reserved.spend(1, tokens, written),
                done=lambda position, reply: put((position, reply)),
            )  # fmt: skip

        with reserved:
            yield from _accounted(finished_by(f"inlay {ref.name}", work).batches(cancel), reserved)


def _as_asked(instruction: Instruction, reply: Reply) -> Reply | str:
    """The reply where it is what the instruction asks for, without blanks where that is JSON; else why not."""
    if instruction.whole and not reply.ended:
        return (
            f"the reply was cut after {reply.output_tokens:,} tokens, before it was complete; "
            f"max_tokens is {instruction.max_tokens:,}"
        )
    if instruction.schema is None:
        return reply
    text, reason = validated(instruction.schema, reply.text)
    return f"the reply is not valid for the schema: {reason}" if text is None else replace(reply, text=text)


def _accounted(batches: Iterator[list[Finished]], reserved: Reserved) -> Iterator[list[Finished]]:
    for batch in batches:
        for _, reply in batch:
            if isinstance(reply, Reply):
                reserved.use(reply.tokens, reply.output_tokens)
        yield batch


def completion_keys(
    ref: ModelRef, instruction: Instruction, prompts: Sequence[Prompt]
) -> tuple[dict[str, Any], list[bytes]]:
    """The question, and what each reply is known by in memory: its signature and the prompt's key."""
    question = {
        "completion": 1,
        "model": ref.fingerprint,
        "dtype": ref.dtype,
        "too_long": ref.too_long,
        "max_tokens_read": ref.max_tokens,
        "instruction": asdict(instruction),
    }
    signed = bytes.fromhex(signature(question))
    columns = [[p.before for p in prompts], [p.text for p in prompts], [p.after for p in prompts]]
    return question, [signed + key for key in input_keys(columns)]
