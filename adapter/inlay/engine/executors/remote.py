"""Models behind an endpoint: one request a prompt, several texts a request for vectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from inlay.arrays import Floats
from inlay.backends.base import Failed, Instruction, Reply
from inlay.engine.executors.local import TOKENIZE_ROWS, prompts_of
from inlay.engine.finished import finished_by
from inlay.engine.limits import Reserved
from inlay.engine.pool import remote_embedder, remote_model
from inlay.engine.question import Question
from inlay.engine.replies import FinishedReply, finished_replies
from inlay.engine.resolve import Finished, Usage, Work
from inlay.store.inputs import Inputs


class Remote:
    claims = True

    def run(self, question: Question, inputs: Inputs, work: Work) -> Iterator[Finished]:
        began = time.perf_counter()
        try:
            with Reserved(work.limits, question.model) as reserved:
                if isinstance(question.asked, Instruction):
                    yield from _replies(question, question.asked, inputs, work, reserved)
                else:
                    yield from _vectors(question, inputs, work, reserved)
        finally:
            work.limits.took(time.perf_counter() - began)


def _replies(
    question: Question, instruction: Instruction, inputs: Inputs, work: Work, reserved: Reserved
) -> Iterator[Finished]:
    model = remote_model(question.model, work.store)
    prompts = prompts_of(inputs)
    # One for each input of a question, whichever run asks: idempotency keys, and names in a batch at the provider.
    keys = [f"{question.signature}{key.tobytes().hex()}" for key in inputs.keys]

    def ask(put: Callable[[FinishedReply], None]) -> None:
        def done(position: int, reply: Reply | Failed | str) -> None:
            if not isinstance(reply, str):  # at once, so that what it did not need is there for the next request
                reserved.use(reply.tokens, reply.output_tokens, reply.set_aside)
            put((position, reply))

        model.complete(
            instruction, prompts, keys=keys, stopped=lambda: work.cancel.cancelled,
            spend=lambda tokens, written: reserved.spend(1, tokens, written), done=done,
        )  # fmt: skip

    batches = finished_by(f"inlay {question.model.name}", ask).batches(work.cancel)
    yield from finished_replies(batches, instruction, prompts, work)


def _vectors(question: Question, inputs: Inputs, work: Work, reserved: Reserved) -> Iterator[Finished]:
    embedder = remote_embedder(question.model)
    texts = [f"{question.asked}{text}" for text in inputs.values()]
    reserved.spend(len(texts), 0)

    def ask(put: Callable[[tuple[int, Floats | str, int]], None]) -> None:
        embedder.embed(
            texts, stopped=lambda: work.cancel.cancelled,
            spend=lambda tokens, written: reserved.spend(0, tokens, written),
            done=lambda position, row, tokens: put((position, row, tokens)),
        )  # fmt: skip

    for batch in finished_by(f"inlay {question.model.name}", ask).batches(work.cancel, TOKENIZE_ROWS):
        tokens = sum(tokens for _, _, tokens in batch)
        reserved.use(tokens)
        answered = [(position, row) for position, row, _ in batch if not isinstance(row, str)]
        yield Finished(
            np.array([position for position, _ in answered], dtype=np.int64),
            np.stack([row for _, row in answered]).astype(np.float32) if answered else None,
            {position: row for position, row, _ in batch if isinstance(row, str)},
            usage=Usage(tokens),
        )
        work.progressed(len(batch) / len(texts), tokens)
