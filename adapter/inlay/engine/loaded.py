"""The models loaded in this process, each once for every connection and thread, and how much memory they may take.

Where there is a limit, the model that was idle longest is unloaded before another is loaded. One that is in use never
is: who needs its memory waits. Nobody holds one model while waiting for another (a question is answered, and its model
let go, before the next is asked), so nobody waits in a circle. Sizes are those of weights, by the headers of their
files (backends/size.py).
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from inlay.backends.load import free_memory, load_backend, weights_bytes
from inlay.engine.cancel import Token
from inlay.engine.lane import Lane
from inlay.errors import ModelTooLargeError, megabytes
from inlay.locks import new_lock
from inlay.models.ref import ModelRef

Key = tuple[object, ...]

_log = logging.getLogger("inlay.engine")

# A waiting caller looks this often whether it was interrupted, and whether an abandoned batch has ended.
_LOOK_S = 0.1


@dataclass(eq=False)
class _Model:
    """lane: None while it is loaded. users: a token of each caller that holds it. used: rises with each use."""

    ref: ModelRef
    n_bytes: int
    lane: Lane | None = None
    users: set[object] = field(default_factory=set)
    used: int = 0

    @property
    def is_running(self) -> bool:
        """Whether a batch runs, maybe one that a caller has abandoned."""
        return self.lane is not None and not self.lane.is_idle


_models: dict[Key, _Model] = {}
_devices: dict[str, str] = {}
_clock = itertools.count(1)
_changed = threading.Condition(new_lock())


@contextlib.contextmanager
def loaded(ref: ModelRef, cancel: Token, most_bytes: int | None = None) -> Iterator[Lane]:
    """The lane of this model, which stays loaded meanwhile; callers of other models are not held up while it loads.

    most_bytes: what all loaded models may take together. Raises ModelTooLargeError where this one alone takes more, and
    InterruptedQueryError when cancelled while others are in use.
    """
    with _changed:
        here = _models.get(_key(ref))
    n_bytes = weights_bytes(ref) if here is None else here.n_bytes
    user = object()
    model = _taken(ref, n_bytes, user, cancel, most_bytes)
    try:
        yield model.lane if model.lane is not None else _load(model)
    finally:
        with _changed:
            model.users.discard(user)
            _changed.notify_all()


def loaded_models() -> dict[str, tuple[str, int]]:
    """Fingerprint → device, and bytes of weights, of every model that is in memory now."""
    with _changed:
        models = [(model, model.lane) for model in _models.values() if model.lane is not None]
    return {model.ref.fingerprint: (lane.backend.device, model.n_bytes) for model, lane in models}


def device_of(fingerprint: str) -> str:
    """Where a model of this process runs, or has run before it was unloaded; '' for one that was never loaded."""
    return _devices.get(fingerprint, "")


def begin_anew() -> None:
    """In a forked child: what the parent's other threads were loading never comes, and nobody uses what is here."""
    global _changed
    _changed = threading.Condition(new_lock())
    for key, model in list(_models.items()):
        if model.lane is None:
            del _models[key]
        model.users.clear()


def _key(ref: ModelRef) -> Key:
    return (ref.fingerprint, ref.backend, ref.device, ref.dtype, ref.too_long)


def _taken(ref: ModelRef, n_bytes: int, user: object, cancel: Token, most_bytes: int | None) -> _Model:
    """The model, held by this user: loaded, or for this user to load, with room made for it."""
    with _changed:
        while True:
            model = _models.get(_key(ref))
            if model is None and (out := _room_for(ref, n_bytes, most_bytes)) is not None:
                model = _models[_key(ref)] = _Model(ref, n_bytes, users={user}, used=next(_clock))
                break
            if model is not None and model.lane is not None:
                model.users.add(user)
                model.used = next(_clock)
                return model
            _changed.wait(_LOOK_S)
            cancel.check()
    _unload(out, ref, most_bytes)
    return model


def _room_for(ref: ModelRef, n_bytes: int, most_bytes: int | None) -> list[_Model] | None:
    """Takes out the idle models whose memory is needed; None, and none is taken out, where that of all is not enough
    or a batch of theirs still runs."""
    if most_bytes is None:
        return []
    if n_bytes > most_bytes:
        raise ModelTooLargeError.beyond(ref.name, n_bytes, most_bytes)
    too_much = sum(model.n_bytes for model in _models.values()) + n_bytes - most_bytes
    out: list[_Model] = []
    unused = (model for model in _models.values() if not model.users and model.n_bytes)
    for model in sorted(unused, key=lambda model: model.used):
        if too_much <= 0:
            break
        out.append(model)
        too_much -= model.n_bytes
    if too_much > 0 or any(model.is_running for model in out):
        return None
    for model in out:
        del _models[_key(model.ref)]
    return out


def _unload(models: Sequence[_Model], ref: ModelRef, most_bytes: int | None) -> None:
    for model in models:
        _log.info(
            "inlay: model %r is unloaded to make room for %r (loaded_memory_mb = %d)",
            model.ref.name, ref.name, megabytes(most_bytes or 0),
        )  # fmt: skip
        if model.lane is not None:
            model.lane.close()
            model.lane = None
    if models:
        free_memory()


def _load(model: _Model) -> Lane:
    lane = None
    try:
        lane = Lane(load_backend(model.ref))
        _devices[model.ref.fingerprint] = lane.backend.device
        return lane
    finally:
        with _changed:
            model.lane = lane
            if lane is None:
                _models.pop(_key(model.ref), None)
            _changed.notify_all()
