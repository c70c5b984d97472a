"""The engine without SQL: windows, budgets, failures, precision, GPU logic run on the CPU."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from inlay.arrays import Floats
from inlay.backends.base import OutOfMemory, Tokens
from inlay.backends.device import choose_devices, choose_dtype
from inlay.backends.encoders.torch_encoder import TorchEncoder
from inlay.backends.fake import FAIL, NEVER_FITS, OOM, FakeBackend, fake_row
from inlay.backends.sharded import ShardedBackend
from inlay.engine import cancel
from inlay.engine.cancel import Token
from inlay.engine.lane import Lane
from inlay.engine.number_jobs import NumbersJob
from inlay.engine.result_cache import empty_rows
from inlay.engine.token_budget import GROW_AFTER_BATCHES
from inlay.errors import ConfigError, InterruptedQueryError
from inlay.models.describe import describe
from inlay.models.ref import ModelRef
from inlay.settings.read import read_settings
from support import asking


def fake_ref(name: str = "fake") -> ModelRef:
    return describe(read_settings(environment={}).models[name])


class Recording(FakeBackend):
    """The fake model with a device that holds `room` tokens; notes the size of every batch it was given."""

    def __init__(self, room: int = 10**9, seconds: float = 0.0, workers: int = 1) -> None:
        super().__init__(fake_ref())
        self.room, self.seconds, self.workers = room, seconds, workers
        self.max_batch_tokens = 64
        self.batches: list[int] = []

    def run(self, tokens: Tokens) -> Floats:
        self.batches.append(len(tokens))
        time.sleep(self.seconds)
        if int(tokens.lengths.max()) * len(tokens) > self.room:
            raise OutOfMemory("full")
        return super().run(tokens)


def submit(lane: Lane, texts: list[str], token: Token | None = None) -> NumbersJob:
    tokens = lane.backend.tokenize(texts, None, "")
    job = NumbersJob(
        tokens, token or Token(), empty_rows(len(texts), lane.backend.ref.width), lambda rows, tokens: None
    )
    lane.submit(job)
    return job


def answers(job: NumbersJob) -> Floats:
    job.wait()
    return job.rows


def expected(text: str) -> Floats:
    row = fake_row(text, 8)
    return row / np.linalg.norm(row)


def test_rows_come_back_in_the_order_of_their_caller() -> None:
    texts = [f"{'x' * (i % 7)}{i}" for i in range(100)]
    rows = answers(submit(Lane(Recording()), texts))
    np.testing.assert_allclose(rows, np.stack([expected(text) for text in texts]), atol=1e-6)


def test_callers_that_arrive_while_a_batch_runs_are_merged_into_the_next_window() -> None:
    backend = Recording(seconds=0.2)
    lane = Lane(backend)
    first = submit(lane, ["a"])
    while not backend.batches:
        time.sleep(0.005)
    later = [submit(lane, [f"b{i}"]) for i in range(10)]
    for job in (first, *later):
        job.wait()
    assert backend.batches == [1, 10]


def test_out_of_memory_halves_the_batch_remembers_it_and_grows_back() -> None:
    backend = Recording(room=20)
    lane = Lane(backend)
    rows = answers(submit(lane, ["abcd"] * 12))  # 5 tokens each: 12 at a time, 6, then 3 fit
    assert rows.any(axis=1).all()
    assert backend.batches[:3] == [12, 6, 3]
    assert lane.max_batch_tokens < 64
    backend.room = 10**9
    shrunk = lane.max_batch_tokens
    for i in range(3 * GROW_AFTER_BATCHES):
        answers(submit(lane, [f"t{i}"]))
    assert shrunk < lane.max_batch_tokens == 64


def test_a_row_that_never_fits_fails_alone() -> None:
    job = submit(Lane(Recording()), ["good", NEVER_FITS, "fine", f"{OOM} alone"])
    rows = answers(job)
    assert list(job.errors) == [1]
    assert "out of memory on fake" in job.errors[1]
    np.testing.assert_allclose(rows[0], expected("good"), atol=1e-6)
    np.testing.assert_allclose(rows[3], expected(f"{OOM} alone"), atol=1e-6)


def test_failing_rows_of_several_callers_fail_for_their_caller_alone() -> None:
    lane = Lane(Recording(seconds=0.02))
    blocker = submit(lane, ["x"])
    jobs = [submit(lane, [f"ok {i}", f"{FAIL} {i}", f"also ok {i}"]) for i in range(4)]
    blocker.wait()
    for i, job in enumerate(jobs):
        rows = answers(job)
        assert list(job.errors) == [1]
        np.testing.assert_allclose(rows[2], expected(f"also ok {i}"), atol=1e-6)


def test_several_workers_give_the_same_rows() -> None:
    texts = [f"text {i}" for i in range(300)]
    np.testing.assert_array_equal(
        answers(submit(Lane(Recording(workers=3)), texts)), answers(submit(Lane(Recording()), texts))
    )


def test_several_devices_each_take_batches_and_give_the_same_rows() -> None:
    copies = [Recording(seconds=0.01) for _ in range(3)]
    lane = Lane(ShardedBackend(copies))
    texts = [f"text {i}" for i in range(300)]
    np.testing.assert_array_equal(answers(submit(lane, texts)), answers(submit(Lane(Recording()), texts)))
    assert all(copy.batches for copy in copies)
    assert lane.backend.device == "3 × fake"


def test_a_cancelled_caller_leaves_and_the_others_are_answered() -> None:
    slow = Recording(seconds=0.1)
    lane = Lane(slow)
    stays = Token()
    cancelled = submit(lane, [f"long {i}" for i in range(400)])
    time.sleep(0.15)
    n_begun = len(slow.batches)
    cancel.interrupt()
    with pytest.raises(InterruptedQueryError):
        cancelled.wait()
    assert len(slow.batches) <= n_begun + 2
    assert stays.cancelled
    rows = answers(submit(lane, ["after"]))
    np.testing.assert_allclose(rows[0], expected("after"), atol=1e-6)


def test_two_threads_never_compute_the_same_text() -> None:
    within = asking.work()
    ref = fake_ref()
    texts = [f"shared {i}" for i in range(3000)]
    outcomes = []

    def work() -> None:
        outcomes.append(asking.numbers(ref, texts, within=within))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    # Without an owner, what another thread computed meanwhile counts as known.
    assert sum(int((~outcome.known).sum()) for outcome in outcomes) == len(texts)
    for outcome in outcomes[1:]:
        np.testing.assert_array_equal(outcome.rows, outcomes[0].rows)


def test_memory_keeps_to_its_budget_and_answers_stay_right() -> None:
    within = asking.work(100_000)
    ref = fake_ref()
    for start in range(0, 20_000, 1000):
        texts = [f"t{i}" for i in range(start, start + 1000)]
        rows = asking.numbers(ref, texts, within=within).rows
        np.testing.assert_allclose(rows[0], expected(texts[0]), atol=1e-6)
    assert len(within.cache) < 3000
    again = asking.numbers(ref, ["t0", "t19999"], within=within)
    assert again.known.tolist() == [False, True]
    np.testing.assert_allclose(again.rows[0], expected("t0"), atol=1e-6)


def test_rows_with_pages_of_their_own_are_zeros_like_others() -> None:
    for n in (3, 3_000):
        rows = empty_rows(n, 384)
        assert rows.shape == (n, 384) and rows.dtype == np.float32 and not rows.any()
        rows[n - 1, 383] = 1
        assert rows.sum() == 1


_BATCHES_OF_EVERY_SIZE = """
import ctypes
from inlay.backends import device
import torch
class Heap(ctypes.Structure):
    _fields_ = [(f"field_{i}", ctypes.c_size_t) for i in range(7)] + [("in_use", ctypes.c_size_t)] + [
        (f"field_{i}", ctypes.c_size_t) for i in range(8, 10)]
heap = ctypes.CDLL(None).mallinfo2
heap.restype = Heap
weight = torch.zeros(384, 384, dtype=torch.bfloat16)
for n in range(1, 1_000):
    torch.nn.functional.linear(torch.zeros(n, 384, dtype=torch.bfloat16), weight)
    if n == 50:
        before = heap().in_use
print((heap().in_use - before) / 1e6)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc from 2.33 on counts its heap")
def test_batches_of_many_sizes_leave_nothing_behind() -> None:
    # oneDNN's and torch's own bounds keep 0.36 MB for each size, of the last 1,024.
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_CACHE_CAPACITY")}
    done = subprocess.run(
        [sys.executable, "-c", _BATCHES_OF_EVERY_SIZE], capture_output=True, text=True, check=True, env=environment
    )
    assert float(done.stdout) < 30


def test_a_token_limit_error_is_not_hidden_by_a_cut_answer_that_is_known() -> None:
    models = {name: {"source": "fake:embed", "backend": "fake", "max_tokens": 4, "too_long": too_long}
              for name, too_long in (("cut", "truncate"), ("strict", "error"))}  # fmt: skip
    settings = read_settings({"models": models}, environment={})
    within = asking.work()
    assert not asking.numbers(describe(settings.models["cut"]), ["abcdef"], within=within).errors
    assert asking.numbers(describe(settings.models["strict"]), ["abcdef"], within=within).errors


def test_cuda_out_of_memory_is_a_smaller_batch_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # torch raises the same class on every device, so the GPU's path can be run here.
    encoder = object.__new__(TorchEncoder)
    encoder.ref, encoder._device = fake_ref(), torch.device("cpu")

    def full(tokens: Tokens) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nmore")

    encoder._hidden = full
    tokens = FakeBackend(fake_ref()).tokenize(["a", "b"], None, "")
    with pytest.raises(OutOfMemory, match=r"^CUDA out of memory. Tried to allocate 2.00 GiB$"):
        encoder.run(tokens)


@pytest.mark.parametrize(
    ("device", "bf16", "chosen"),
    [("cpu", True, torch.bfloat16), ("cpu", False, torch.float32), ("cuda", True, torch.bfloat16),
     ("cuda", False, torch.float16), ("mps", True, torch.float16)],
)  # fmt: skip
def test_precision_follows_the_hardware(
    monkeypatch: pytest.MonkeyPatch, device: str, bf16: bool, chosen: torch.dtype
) -> None:
    monkeypatch.setattr("inlay.backends.device.cpu_multiplies_bf16", lambda: bf16)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16)
    assert choose_dtype("auto", torch.device(device)) is chosen
    assert choose_dtype("float32", torch.device(device)) is torch.float32


def test_a_device_that_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="torch finds 1 CUDA devices"):
        choose_devices("cuda:3")
    assert choose_devices("cuda") == [torch.device("cuda:0")]
    assert choose_devices("cpu") == [torch.device("cpu")]


def test_a_worker_takes_one_core_and_leaves_other_threads_theirs() -> None:
    # In a process of its own: the tiny models' fixture tells every other test that torch has two threads.
    code = """
import threading, torch
from inlay.backends.device import use_one_core

before, seen = torch.get_num_threads(), []

def worker():
    use_one_core()
    seen.append(torch.get_num_threads())

for work in (worker, lambda: seen.append(torch.get_num_threads())):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
assert seen == [1, before], (seen, before)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
