"""Locks that a forked child finds open.

A thread that holds one when the process forks does not exist in the child, and would never release it there.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def new_lock() -> threading.Lock:
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def new_reentrant_lock() -> Any:
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def _open_all() -> None:
    for lock in list(_locks):
        lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all)
