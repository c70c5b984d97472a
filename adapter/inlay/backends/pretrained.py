"""Weights and tokenizers through transformers: from the folder alone, safetensors alone, no code of the model's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from inlay.backends.model_files import damaged_weights
from inlay.errors import ModelError
from inlay.models.ref import ModelRef


def load_pretrained(
    kind: Any, ref: ModelRef, dtype: torch.dtype, *, may_lack: Callable[[str], bool] = lambda _: False, **options: Any
) -> Any:
    """The model of ref.folder as an instance of `kind`, one of transformers' Auto classes, ready for inference.

    may_lack: whether the folder need not hold the weight of that name. Raises ModelError, with the reason, for a folder
    that does not load, or lacks weights: transformers draws those at random, and only logs it.
    """
    from safetensors import SafetensorError

    try:
        with quiet():
            model, loaded = kind.from_pretrained(
                str(ref.folder),
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **options,
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        reason = damaged_weights(ref) or f"{ref.folder} cannot be loaded: {error}"
        raise ModelError(f"model {ref.name!r}: {reason}") from error
    missing = sorted(key for key in loaded["missing_keys"] if not may_lack(key))
    if missing:
        raise ModelError(
            f"model {ref.name!r}: {ref.folder} has no weights for {', '.join(missing[:3])}"
            f"{f' and {len(missing) - 3} more' if len(missing) > 3 else ''}. The file is damaged, or it is not a model "
            f"for {ref.task!r}: check source and task of [models.{ref.name}]."
        )
    return model.eval()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bar and no report on the weights of heads that we leave out on purpose."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def end_tokens(*candidates: list[int] | tuple[int, ...] | int | None) -> tuple[int, ...]:
    """The tokens that end a reply: the first candidate that names any."""
    numbers = next((candidate for candidate in candidates if candidate is not None), ())
    return tuple(numbers) if isinstance(numbers, list | tuple) else (int(numbers),)


def load_tokenizer(ref: ModelRef) -> Any:
    """The tokenizer of ref.folder as transformers has it. Raises ModelError for one that does not load, or that the
    tokenizers library does not run."""
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(ref.folder), trust_remote_code=False, local_files_only=True)
    except TypeError as error:  # of transformers 4, for a path that is None
        raise _no_vocabulary(ref) from error
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(f"model {ref.name!r}: the tokenizer in {ref.folder} cannot be loaded: {error}") from error
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise ModelError(
            f"model {ref.name!r}: the tokenizer in {ref.folder} ({type(tokenizer).__name__}) is written in Python; "
            "inlay runs only those of the tokenizers library. Choose a model with a tokenizer.json."
        )
    if not tokenizer.backend_tokenizer.encode("a", add_special_tokens=False).ids:
        raise _no_vocabulary(ref)  # transformers 5 makes an empty one of the model's kind where it finds no files
    return tokenizer


def _no_vocabulary(ref: ModelRef) -> ModelError:
    return ModelError(f"model {ref.name!r}: the tokenizer in {ref.folder} has no vocabulary. Fetch the model again.")
