"""Counts distinct inputs of a statement in bounded memory."""

from __future__ import annotations

import math

import numpy as np

EXACT_LIMIT = 100_000
_BITS = 1 << 23  # 1 MiB; at 5 million inputs the estimate's standard error is about 0.05 %


class DistinctCounter:
    """Exact up to EXACT_LIMIT inputs, then linear counting over a bitmap (Whang et al., 1990)."""

    def __init__(self) -> None:
        self._exact: set[bytes] | None = set()
        self._bitmap = np.zeros(0, dtype=np.bool_)

    def add(self, keys: list[bytes]) -> list[bool]:
        """For each key whether it is new here. keys: at least 8 well-mixed bytes each."""
        if self._exact is not None:
            new = []
            for key in keys:
                known = len(self._exact)
                self._exact.add(key[:8])
                new.append(len(self._exact) > known)
            if len(self._exact) > EXACT_LIMIT:
                self._bitmap = np.zeros(_BITS, dtype=np.bool_)
                self._bitmap[_places(list(self._exact))] = True
                self._exact = None
            return new
        places = _places(keys)
        new_mask = ~self._bitmap[places]
        self._bitmap[places] = True
        return [bool(flag) for flag in new_mask]

    def __len__(self) -> int:
        if self._exact is not None:
            return len(self._exact)
        free = _BITS - int(np.count_nonzero(self._bitmap))
        return round(-_BITS * math.log(max(1, free) / _BITS))


def _places(keys: list[bytes]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.frombuffer(b"".join(key[:8] for key in keys), dtype=np.uint64) % np.uint64(_BITS)
