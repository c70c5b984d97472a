"""One client per endpoint and one tokenizer per model, shared by every connection and dbt thread of the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar, cast

from inlay.backends.base import Embedder, RemoteModel, Tokens
from inlay.backends.load import load_embedder, load_remote, load_tokenizer
from inlay.locks import new_lock
from inlay.models.ref import ModelRef
from inlay.store.batch_journal import StoredJournal
from inlay.store.results import Store

Key = tuple[object, ...]
T = TypeVar("T")

_remote: dict[Key, RemoteModel | Embedder] = {}
_tokenizers: dict[Key, Callable[[list[str], list[str] | None, str], Tokens]] = {}
_loading: dict[Key, threading.Lock] = {}
_forgotten: list[object] = []
_lock = new_lock()


def remote_model(ref: ModelRef, store: Store | None) -> RemoteModel:
    """What speaks to this model's endpoint. store: where batches at the provider are written down."""
    journal = StoredJournal(store.folder) if store is not None and store.writable else None
    key = (ref.fingerprint, ref.endpoint, store.folder.address if store is not None and journal is not None else None)
    return cast("RemoteModel", _once(_remote, key, lambda: load_remote(ref, journal)))


def remote_embedder(ref: ModelRef) -> Embedder:
    return cast("Embedder", _once(_remote, (ref.fingerprint, ref.endpoint), lambda: load_embedder(ref)))


def tokenizer_of(ref: ModelRef) -> Callable[[list[str], list[str] | None, str], Tokens]:
    """The model's tokenizer, without its weights."""
    key = (ref.fingerprint, ref.backend, ref.too_long, ref.tokenizer)
    return _once(_tokenizers, key, lambda: load_tokenizer(ref))


def begin_anew() -> None:
    """In a forked child: connections to endpoints are the parent's, and not closed here."""
    _forgotten.append(dict(_remote))
    _remote.clear()
    _loading.clear()


def _once(made: dict[Key, T], key: Key, make: Callable[[], T]) -> T:
    with _lock:
        mutex = _loading.setdefault((id(made), *key), new_lock())
    with mutex:
        if key not in made:
            made[key] = make()
        return made[key]


def endpoint_devices() -> dict[str, str]:
    """Fingerprint → device of every model behind an endpoint that this process has asked."""
    return {model.ref.fingerprint: model.device for model in list(_remote.values())}
