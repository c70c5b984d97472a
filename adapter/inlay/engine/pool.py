"""One loaded model per device per process, shared by every connection and dbt thread."""

from __future__ import annotations

import threading

from inlay.backends.load import load_backend
from inlay.engine.lane import Lane
from inlay.types import ModelRef

_lanes: dict[tuple[str, str, str, str, str], Lane] = {}
_loading: dict[tuple[str, str, str, str, str], threading.Lock] = {}
_lock = threading.Lock()


def lane_for(ref: ModelRef) -> Lane:
    """The lane of this model, loading it at the first call; callers of other models are not held up meanwhile."""
    key = (ref.fingerprint, ref.backend, ref.device, ref.dtype, ref.too_long)
    with _lock:
        mutex = _loading.setdefault(key, threading.Lock())
    with mutex:
        if key not in _lanes:
            _lanes[key] = Lane(load_backend(ref))
        return _lanes[key]


def loaded_models() -> dict[str, str]:
    """Fingerprint → device of every model that this process has loaded."""
    return {key[0]: lane.backend.device for key, lane in _lanes.items()}
