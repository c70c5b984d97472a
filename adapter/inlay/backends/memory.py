"""What a device says when it has no room for a batch, told the engine in one way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from inlay.backends.base import OutOfMemory


@contextlib.contextmanager
def told_as_out_of_memory(device: torch.device) -> Iterator[None]:
    """Raises OutOfMemory for each of the ways in which torch says that there is no room."""
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
