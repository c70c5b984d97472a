"""From a description to a loaded model: picks the backend and imports it."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from inlay.backends.base import Backend, Embedder, RemoteModel, Tokens
from inlay.backends.sharded import ShardedBackend, ShardedLanguageModel
from inlay.errors import CannotServeError, MissingExtraError
from inlay.logs import expect_no_widgets, expect_torchao
from inlay.models.ref import ModelRef

if TYPE_CHECKING:
    from inlay.backends.openai.batch_journal import BatchJournal


def load_tokenizer(ref: ModelRef) -> Callable[[list[str], list[str] | None, str], Tokens]:
    """The model's tokenizer alone, without its weights and without torch. Raises CannotServeError for a model behind an
    endpoint whose tokenizer the settings do not name."""
    if ref.backend == "fake":
        from inlay.backends.fake import FakeBackend

        return FakeBackend(ref).tokenize
    if ref.endpoint is not None:
        if ref.tokenizer is None:
            raise CannotServeError(
                f"model {ref.name!r} is behind an endpoint, and inlay has no tokenizer for it. Set one: "
                f"[models.{ref.name}] tokenizer = 'a folder or hub:owner/name'."
            )
        ref = replace(ref, folder=ref.tokenizer)
    with _needs_extra("torch", ref):
        from inlay.backends.tokenizer import TextTokenizer
    return TextTokenizer(ref, with_types=False, whole=True)


def needs_torch(ref: ModelRef) -> bool:
    """Whether answers of the model need torch in this process."""
    return ref.backend not in ("fake", "openai", "rules")


def weights_bytes(ref: ModelRef) -> int:
    """What load_backend() will hold in memory, on all devices together; 0 where that is nothing, or not known: vLLM
    takes what its own settings say."""
    if ref.backend != "torch":
        return 0
    with _needs_extra("torch", ref):
        from inlay.backends.size import weights_bytes
    return weights_bytes(ref)


def free_memory() -> None:
    """What models that nobody refers to any more have left behind: modules of transformers are in circles, and torch
    keeps a GPU's memory for itself."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def load_backend(ref: ModelRef) -> Backend:
    """Raises MissingExtraError with the exact install command when the backend's packages are not here."""
    if ref.backend == "fake":
        from inlay.backends.fake import FakeBackend

        return FakeBackend(ref)
    expect_no_widgets()
    expect_torchao()
    if ref.backend == "vllm":
        return _load_vllm_model(ref)
    if ref.task == "generate":
        return _load_language_model(ref)
    with _needs_extra("torch", ref):
        from inlay.backends.device import choose_devices
        from inlay.backends.encoders.torch_encoder import TorchEncoder
    copies = [TorchEncoder(ref, device) for device in choose_devices(ref.device)]
    return copies[0] if len(copies) == 1 else ShardedBackend(copies)


def _load_language_model(ref: ModelRef) -> Backend:
    with _needs_extra("torch", ref):
        from inlay.backends.decoders.language_model import TorchLanguageModel
        from inlay.backends.device import choose_devices
    copies = [TorchLanguageModel(ref, device) for device in choose_devices(ref.device)]
    return copies[0] if len(copies) == 1 else ShardedLanguageModel(copies)


def _load_vllm_model(ref: ModelRef) -> Backend:
    if ref.task != "generate":
        raise CannotServeError(
            f"model {ref.name!r} has task {ref.task!r}, and backend = 'vllm' runs only language models ('generate'). "
            f"Remove backend from [models.{ref.name}]."
        )
    if ref.dtype == "int8":
        raise CannotServeError(
            f"model {ref.name!r}: dtype = 'int8' is for models on torch; vLLM reads models that were quantised before. "
            f"Set dtype = 'auto' in [models.{ref.name}]."
        )
    from inlay.backends.vllm_model import VLLMModel

    return VLLMModel(ref)


def load_remote(ref: ModelRef, journal: BatchJournal | None) -> RemoteModel:
    """The client of a language model behind an endpoint; it sends no request yet. journal: the record of batches at the
    provider. Raises CannotServeError for a model with batch = true where there is no journal."""
    with _needs_extra("http", ref):
        from inlay.backends.openai.batches import OpenAIBatchModel
        from inlay.backends.openai.model import OpenAIModel
    if ref.endpoint is None or not ref.endpoint.batch:
        return OpenAIModel(ref)
    if journal is None:
        raise CannotServeError(
            f"model {ref.name!r} goes through the provider's Batch API (batch = true), which may take a day, "
            "so its batches are recorded in the result store. Set a writable store: store = '.inlay'."
        )
    return OpenAIBatchModel(ref, journal)


def load_embedder(ref: ModelRef) -> Embedder:
    """The same for an embedding model behind an endpoint."""
    with _needs_extra("http", ref):
        from inlay.backends.openai.embeddings import OpenAIEmbedder
    return OpenAIEmbedder(ref)


@contextlib.contextmanager
def _needs_extra(extra: str, ref: ModelRef) -> Iterator[None]:
    """Around imports: what is missing raises MissingExtraError with the install command."""
    try:
        yield
    except ImportError as error:
        raise MissingExtraError.package(error.name or extra, extra, f"model {ref.name!r}") from error
