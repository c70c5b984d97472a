"""What a forked child finds: no thread of its parent's but the one that forked.

Lanes begin anew there, with the models that are in memory; nobody computes what was claimed, and interrupts of the
parent's are not the child's. Locks are open (locks.py). A model on CPUs runs on one thread: what torch keeps of the
parent's threads would be waited for without end. A CUDA device cannot be used by a forked child at all. A module that
another thread is importing would be, too, so a fork waits for such imports.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import time

from inlay.backends.load import needs_torch
from inlay.engine import cancel, lane, loaded, pool, result_cache, signals
from inlay.errors import ForkedProcessError
from inlay.models.ref import ModelRef

_log = logging.getLogger("inlay.engine")

# A fork waits no longer than this for what other threads import.
IMPORT_S = 10.0

_torch_before = _cuda_before = False
"""What the parent had used when it forked this process."""
_is_one_thread = False


def prepare(ref: ModelRef) -> None:
    """Called before a model is used. Raises ForkedProcessError where this process cannot use it."""
    if not _torch_before or not needs_torch(ref):
        return
    if _cuda_before and ref.device != "cpu":
        raise ForkedProcessError.cuda(ref.name)
    _use_one_thread()


def _use_one_thread() -> None:
    global _is_one_thread
    if _is_one_thread:
        return
    _is_one_thread = True
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # or the tokenizers library warns
    sys.modules["torch"].set_num_threads(1)
    _log.warning(
        "inlay: this process was forked from one that had loaded torch, so models run on one thread here. "
        "multiprocessing.set_start_method('spawn') gives processes that use all of theirs."
    )


def _in_parent() -> None:
    global _cuda_at_fork
    _until_no_other_imports()
    torch = sys.modules.get("torch")
    _cuda_at_fork = torch is not None and hasattr(torch, "cuda") and torch.cuda.is_initialized()


def _until_no_other_imports() -> None:
    """A module that another thread is importing when a process forks is locked in the child for ever: CPython renews
    the lock of all imports there, and not that of each module. So the fork waits for the import of torch."""
    locks = getattr(importlib._bootstrap, "_module_locks", {})
    give_up_at = time.monotonic() + IMPORT_S
    while time.monotonic() < give_up_at:
        owners = {getattr(lock(), "owner", None) for lock in list(locks.values())}
        if not owners - {None, threading.get_ident()}:
            return
        time.sleep(0.005)


_cuda_at_fork = False


def _in_child() -> None:
    global _torch_before, _cuda_before, _is_one_thread
    _torch_before, _cuda_before, _is_one_thread = "torch" in sys.modules, _cuda_before or _cuda_at_fork, False
    for module in (cancel, signals, lane, loaded, pool, result_cache):
        module.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_in_parent, after_in_child=_in_child)
