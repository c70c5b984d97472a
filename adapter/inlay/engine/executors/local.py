"""Models in this process: texts are tokenised slice by slice and handed to the model's lane, which callers share."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from inlay.arrays import Ints
from inlay.backends.base import Choices, Instruction, Prompt, is_refusal
from inlay.engine import forking
from inlay.engine.lane import Lane
from inlay.engine.limits import Reserved
from inlay.engine.loaded import loaded
from inlay.engine.number_jobs import NumbersJob, select_rows
from inlay.engine.question import Question
from inlay.engine.replies import finished_replies
from inlay.engine.reply_jobs import ReplyJob
from inlay.engine.resolve import Finished, Usage, Work
from inlay.errors import BudgetExceededError, InterruptedQueryError
from inlay.store.inputs import Inputs

# Texts tokenised at a time: the device works on one slice while the next is tokenised.
TOKENIZE_ROWS = 2_048


# While work goes on, what is finished is stored this often: so much is lost at most if the process is killed.
STORE_S = 1.0


class Local:
    """Loads the model where it is not, and keeps it loaded while it answers."""

    claims = True

    def run(self, question: Question, inputs: Inputs, work: Work) -> Iterator[Finished]:
        began = time.perf_counter()
        forking.prepare(question.model)
        with loaded(question.model, work.cancel, work.most_loaded_bytes) as lane:
            loading = Finished(np.zeros(0, dtype=np.int64), None)
            loading.usage.loading_seconds = time.perf_counter() - began
            yield loading
            began = time.perf_counter()
            try:
                if isinstance(question.asked, Instruction):
                    yield from _replies(lane, question, question.asked, inputs, work)
                else:
                    yield from _numbers(lane, question, inputs, work)
            finally:
                work.limits.took(time.perf_counter() - began)


def _numbers(lane: Lane, question: Question, inputs: Inputs, work: Work) -> Iterator[Finished]:
    if len(inputs.columns) > 1 and isinstance(question.asked, Choices):
        # What is asked of one text is best read together.
        order = np.argsort(inputs.digests[0].view("V32")[:, 0], kind="stable")
    else:
        order = np.arange(len(inputs))
    submitting = _Submitting(lane, question, inputs, work)
    # What went before either is finished, or stopped, and kept.
    refused: BudgetExceededError | None = None
    stopped: InterruptedQueryError | None = None
    jobs: list[tuple[NumbersJob, Ints]] = []
    for start in range(0, len(order), TOKENIZE_ROWS):
        try:
            work.cancel.check()
            jobs += submitting.submit(order[start : start + TOKENIZE_ROWS])
        except BudgetExceededError as error:
            refused = error
            break
        except InterruptedQueryError as error:
            stopped = error
            break
    for number, (job, places) in enumerate(jobs):
        try:
            while not job.wait(STORE_S):
                yield from _done_until_now(jobs[number:])
        except InterruptedQueryError as error:
            stopped = error  # what is finished is kept
        yield from _done_until_now([(job, places)])
        read = np.flatnonzero(job.done) if stopped else slice(None)
        lengths, before = job.tokens.lengths[read], job.tokens.lengths_before[read]
        yield Finished(
            np.zeros(0, dtype=np.int64),
            None,
            {int(places[i]): reason for i, reason in job.errors.items()},
            usage=Usage(int(lengths.sum()), 0, int((before > lengths).sum())),
        )
    if stopped is not None:
        raise stopped
    if submitting.refused:
        yield Finished(np.zeros(0, dtype=np.int64), None, submitting.refused)
    if refused is not None:
        raise refused


def _done_until_now(jobs: Sequence[tuple[NumbersJob, Ints]]) -> Iterator[Finished]:
    """The new rows of jobs whose batches are run in any order."""
    for job, places in jobs:
        if len(new := job.take_done()):
            yield Finished(places[new], job.rows if len(new) == len(places) else job.rows[new])


class _Submitting:
    """Tokenises slices and hands them over. refused: by place, why a text cannot be read."""

    def __init__(self, lane: Lane, question: Question, inputs: Inputs, work: Work) -> None:
        self.lane = lane
        self.question = question
        self.work = work
        self.n = len(inputs)
        self.columns = [inputs.values(i) for i in range(len(inputs.columns))]
        self.tags = inputs.tags() if isinstance(question.asked, Choices) else None
        self.refused: dict[int, str] = {}

    def submit(self, places: Ints) -> list[tuple[NumbersJob, Ints]]:
        """A text that the tokenizer refuses fails alone."""
        model, asked = self.question.model, self.question.asked
        assert not isinstance(asked, Instruction) and asked is not None
        rows = places.tolist()  # a list is read several times faster with Python's numbers than with numpy's
        texts, *pairs = [[column[row] for row in rows] for column in self.columns]
        try:
            tags = None if self.tags is None else [self.tags[row] for row in rows]
            tokens = self.lane.backend.tokenize(texts, pairs[0] if pairs else None, asked, tags)
        except Exception as error:
            if not is_refusal(error):
                raise
            if len(places) == 1:
                self.refused[int(places[0])] = f"the text cannot be tokenised: {error}"
                return []
            half = len(places) // 2
            return self.submit(places[:half]) + self.submit(places[half:])
        good = tokens.lengths > 0
        for i in np.flatnonzero(~good):
            self.refused[int(places[i])] = "the tokenizer finds no token in this text"
        # Of the question's model, not of the lane's: sessions whose settings name or price it otherwise share the lane.
        if model.too_long == "error":
            for i in np.flatnonzero(tokens.lengths_before > model.max_tokens):
                good[i] = False
                self.refused[int(places[i])] = (
                    f"the text has at least {tokens.lengths_before[i]:,} tokens; model {model.name!r} reads "
                    f"{model.max_tokens:,} and too_long = 'error' is set"
                )
        if not good.all():
            tokens, places = select_rows(tokens, np.flatnonzero(good)), places[good]
        n_tokens = int(tokens.lengths.sum())
        self.work.limits.spend(len(tokens), n_tokens, model.cost(n_tokens))
        job = NumbersJob(tokens, self.work.cancel, self.question.answers.gather(len(tokens)).rows, self._progressed)
        self.lane.submit(job)
        return [(job, places)]

    def _progressed(self, n_texts: int, tokens: int) -> None:
        self.work.progressed(n_texts / self.n, tokens)


def _replies(
    lane: Lane, question: Question, instruction: Instruction, inputs: Inputs, work: Work
) -> Iterator[Finished]:
    model = lane.language_model
    prompts = prompts_of(inputs)
    start, n_rows = 0, TOKENIZE_ROWS
    while start < len(prompts):
        work.cancel.check()
        n_rows = min(n_rows, len(prompts) - start)
        encoded = model.encode(instruction, prompts[start : start + n_rows])
        rows = [(start + i, row) for i, row in enumerate(encoded) if not isinstance(row, str)]
        with Reserved(work.limits, question.model) as reserved:
            try:
                reserved.spend(len(rows), sum(len(row.ids) for _, row in rows), len(rows) * instruction.max_tokens)
            except BudgetExceededError:
                if n_rows == 1:
                    raise
                n_rows //= 2  # fewer may do, and their replies may be shorter than they might have been
                continue
            if refused := {start + i: row for i, row in enumerate(encoded) if isinstance(row, str)}:
                yield Finished(np.zeros(0, dtype=np.int64), None, refused)
            job = ReplyJob(instruction, [row for _, row in rows], [position for position, _ in rows], work.cancel)
            lane.submit(job)
            for finished in finished_replies(job.finished.batches(work.cancel), instruction, prompts, work):
                reserved.use(finished.usage.tokens, finished.usage.output_tokens)
                yield finished
        start += n_rows
        n_rows = min(TOKENIZE_ROWS, 2 * n_rows)


def prompts_of(inputs: Inputs) -> list[Prompt]:
    before, text, after = (inputs.values(i) for i in range(3))
    return list(map(Prompt, text, before, after))
