"""The lane of a language model, and the generation above it: merging, failures, memory, cancelling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from inlay.backends.base import BatchFailed, Done, Encoded, Instruction, OutOfMemory, Prompt, Reply
from inlay.engine import cancel as cancelling
from inlay.engine import signals
from inlay.engine.cancel import Token
from inlay.engine.lane import Lane
from inlay.engine.reply_jobs import ReplyJob
from inlay.errors import InterruptedQueryError
from inlay.models.describe import describe
from inlay.settings.read import BUILT_IN_MODELS, read_settings
from support.asking import limits, work
from support.asking import replies as replies_to

REF = describe(read_settings({}, environment={}).models["fake-generate"])
assert "fake-generate" in BUILT_IN_MODELS


class Scripted:
    """A language model that replies with a row's only token, and does what a test asks of it for certain tokens."""

    def __init__(self, bad: set[int] = frozenset(), greedy: set[int] = frozenset(), wait_s: float = 0.0) -> None:
        self.ref = REF
        self.device = "scripted"
        self.max_batch_tokens = 64
        self.workers = 1
        self.start_worker = lambda: None
        self.bad, self.greedy, self.wait_s = bad, greedy, wait_s
        self.batches: list[list[int]] = []
        self.began = threading.Event()

    def encode(self, instruction: Instruction, prompts: Sequence[Prompt]) -> list[Encoded | str]:
        return [Encoded(np.array([int(prompt.content)], dtype=np.int32)) for prompt in prompts]

    def generate(
        self,
        instruction: Instruction,
        rows: Sequence[Encoded],
        *,
        max_batch_tokens: int,
        stopped: Callable[[], bool],
        done: Done,
    ) -> None:
        self.began.set()
        for start in range(0, len(rows), max(1, max_batch_tokens)):
            places = list(range(len(rows)))[start : start + max(1, max_batch_tokens)]
            if stopped():
                return
            time.sleep(self.wait_s)
            tokens = [int(rows[place].ids[0]) for place in places]
            self.batches.append(tokens)
            if self.bad & set(tokens):
                raise BatchFailed(places, ValueError("spoiled"))
            if self.greedy & set(tokens) and len(places) > 1:
                raise BatchFailed(places, OutOfMemory("no room"))
            for place in places:
                done(place, Reply(str(rows[place].ids[0]), 1, 1))


PLAIN = Instruction()


def job(tokens: Sequence[int], instruction: Instruction = PLAIN) -> ReplyJob:
    rows = [Encoded(np.array([token], dtype=np.int32)) for token in tokens]
    return ReplyJob(instruction, rows, range(len(tokens)), Token())


def replies(of: ReplyJob) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for batch in of.finished.batches(of.cancel):
        for position, reply in batch:
            assert position not in found, "replied to twice"
            found[position] = reply.text if isinstance(reply, Reply) else reply
    return found


def test_every_row_is_replied_to_once_and_the_guilty_fail_alone() -> None:
    model = Scripted(bad={7, 50})
    lane = Lane(model)
    mine = job(range(100))
    lane.submit(mine)
    found = replies(mine)
    assert {position for position, reply in found.items() if reply == "ValueError: spoiled"} == {7, 50}
    assert all(found[i] == str(i) for i in range(100) if i not in (7, 50))


def test_out_of_memory_halves_the_budget_until_a_row_stands_alone() -> None:
    model = Scripted(greedy={3})
    lane = Lane(model)
    mine = job(range(32))
    lane.submit(mine)
    assert replies(mine) == {i: str(i) for i in range(32)}
    assert lane._reply_budget.max_tokens < model.max_batch_tokens
    assert [3] in model.batches


def test_jobs_that_ask_the_same_are_merged_and_others_wait_their_turn() -> None:
    model = Scripted(wait_s=0.05)
    lane = Lane(model)
    first = job([0])
    lane.submit(first)
    model.began.wait(5)
    same = [job([10 + i]) for i in range(4)]
    other = job([99], Instruction(max_tokens=3))
    for each in (same[0], other, *same[1:]):
        lane.submit(each)
    assert replies(first) == {0: "0"}
    assert [replies(each) for each in same] == [{0: str(10 + i)} for i in range(4)]
    assert replies(other) == {0: "99"}
    assert model.batches == [[0], [10, 11, 12, 13], [99]]


def test_one_cancelled_job_does_not_take_the_others_along() -> None:
    model = Scripted(wait_s=0.02)
    model.max_batch_tokens = 1
    lane = Lane(model)
    holds = job([0])
    lane.submit(holds)
    model.began.wait(5)
    with signals.inside(7_001, None):
        stopped = job(range(100, 150))
    stays = job(range(200, 220))
    lane.submit(stopped)
    lane.submit(stays)
    replies(holds)
    cancelling.interrupt(7_001)
    with pytest.raises(InterruptedQueryError):
        replies(stopped)
    assert replies(stays) == {i: str(200 + i) for i in range(20)}
    assert sum(100 <= tokens[0] < 150 for tokens in model.batches) < 50


def test_a_bug_in_the_model_reaches_the_caller() -> None:
    model = Scripted()
    model.generate = lambda *_args, **_options: 1 / 0  # type: ignore[method-assign,assignment]
    lane = Lane(model)
    mine = job([1])
    lane.submit(mine)
    with pytest.raises(ZeroDivisionError):
        replies(mine)
    mine = job([2])  # and the lane goes on serving
    lane.submit(mine)
    with pytest.raises(ZeroDivisionError):
        replies(mine)


def test_threads_that_ask_for_the_same_prompt_generate_it_once(calls: dict[str, int]) -> None:
    within = work()
    prompts = [Prompt(f"text {i % 50}") for i in range(400)]
    found: list[Any] = []

    def ask() -> None:
        found.append(replies_to(REF, Instruction(max_tokens=20), prompts, within=within))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8 and calls["rows"] == 50
    assert len({tuple(each.rows) for each in found}) == 1
    assert sum(each.usage.tokens for each in found) == sum(len(f"text {i}") + 1 for i in range(50))


def test_a_reply_that_was_cut_is_no_answer_unless_the_caller_takes_it() -> None:
    for whole, expected in ((True, None), (False, "fake:")):
        found = replies_to(REF, Instruction(max_tokens=5, whole=whole), [Prompt("hello")])
        assert found.rows == [expected]
        if whole:
            assert "the reply was cut after 5 tokens, before it was complete; max_tokens is 5" in found.errors[0]


def test_what_was_set_aside_for_replies_is_given_back() -> None:
    limited = limits(max_tokens=3_000)
    within = work(limits=limited)
    for i in range(40):  # 40 × (2 + 512) would be far above the limit if it were kept
        replies_to(REF, PLAIN, [Prompt(f"{i % 10}x{i}")], within=within)
    assert limited._spent["max_tokens"] < 1_000
