"""One event loop for this process, in a daemon thread, on which all requests to all endpoints run.

Callers wait for it in threads of their own. A session's connections belong to one loop for ever, so a loop for each
call would open new ones each time and leave the old ones to die with warnings.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

# How often a waiting caller looks whether it was stopped, and how long it waits for what it then cancels.
LOOK_S = 0.1
CANCEL_S = 0.7

_CLOSE_S = 3.0

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_closers: list[Callable[[], Awaitable[None]]] = []
_forgotten: list[object] = []


def run(work: Coroutine[Any, Any, None], stopped: Callable[[], bool]) -> bool:
    """Runs the coroutine on the loop while this thread waits; raises its exception. Returns False where stopped()
    returned True or the process ends; the coroutine is then cancelled. stopped() is called in this thread."""
    if threading.current_thread() is _thread:
        work.close()
        raise RuntimeError(
            "the loop's own thread cannot wait for the loop: call from another thread than done() runs in"
        )
    loop = _running_loop()
    ended = threading.Event()
    tasks: list[asyncio.Task[None]] = []

    def begin() -> None:
        tasks.append(loop.create_task(work))
        tasks[0].add_done_callback(lambda _: ended.set())

    def cancel() -> None:
        loop.call_soon_threadsafe(lambda: tasks[0].cancel())
        ended.wait(CANCEL_S)

    loop.call_soon_threadsafe(begin)
    try:
        while not ended.wait(LOOK_S):
            if stopped():
                cancel()
                return False
    except BaseException:
        cancel()
        raise
    if tasks[0].cancelled():
        return False
    error = tasks[0].exception()
    if error is not None:
        raise error
    return True


async def share_out(jobs: Iterator[T], tasks: int, work: Callable[[T], Awaitable[object]]) -> None:
    """Works on the jobs in `tasks` tasks, each of which takes the next job when it is free. An exception in one cancels
    the others, and is raised."""

    async def worker() -> None:
        for job in jobs:
            await work(job)

    workers = [asyncio.create_task(worker()) for _ in range(tasks)]
    try:
        await asyncio.gather(*workers)
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def at_close(close: Callable[[], Awaitable[None]]) -> None:
    """Called on the loop, before it ends with the process."""
    _closers.append(close)


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop, _thread
    with _lock:
        if _loop is None:
            loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_serve, args=(loop,), name="inlay http", daemon=True)
            _thread.start()
            _loop = loop
        return _loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def _close() -> None:
    """Cancels running requests, closes the connections, stops the loop."""
    global _loop
    with _lock:
        loop, thread, _loop = _loop, _thread, None
    if loop is None or thread is None or not thread.is_alive():
        return

    async def wind_up() -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for close in _closers:
            await close()
        await asyncio.sleep(0)  # transports close in the next round
        loop.stop()

    asyncio.run_coroutine_threadsafe(wind_up(), loop)
    thread.join(_CLOSE_S)
    if not thread.is_alive():
        loop.close()


def _after_fork() -> None:
    """A forked child has no thread to run the loop. The sockets belong to the parent, so nothing is closed."""
    global _lock, _loop, _thread, _closers
    _forgotten.extend((_loop, _closers))
    _lock, _loop, _thread, _closers = threading.Lock(), None, None, []


atexit.register(_close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
