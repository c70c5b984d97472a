"""One exception for the several ways in which torch reports that memory is exhausted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from inlay.backends.base import OutOfMemory


@contextlib.contextmanager
def out_of_memory_unified(device: torch.device) -> Iterator[None]:
    """Inside the block, every such error of torch becomes OutOfMemory."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        if device.type == "cuda":
            torch.cuda.empty_cache()
        raise OutOfMemory(str(error).splitlines()[0]) from error
    except RuntimeError as error:
        # The CPU allocator has no exception type of its own.
        if "not enough memory" in str(error) or "can't allocate memory" in str(error):
            raise OutOfMemory(str(error).splitlines()[0]) from error
        raise
