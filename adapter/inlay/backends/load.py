"""From a description to a loaded model: picks the backend and imports it."""

from __future__ import annotations

from inlay.backends.base import Backend
from inlay.errors import MissingExtraError
from inlay.types import ModelRef


def load_backend(ref: ModelRef) -> Backend:
    """Raises MissingExtraError with the exact install command when the backend's packages are not here."""
    if ref.backend == "fake":
        from inlay.backends.fake import FakeBackend

        return FakeBackend(ref)
    try:
        from inlay.backends.torch_encoder import TorchEncoder
    except ImportError as error:
        raise MissingExtraError.package(error.name or "torch", "torch", f"model {ref.name!r}") from error
    return TorchEncoder(ref)
