"""Weights and tokenizers through transformers: from the folder alone, safetensors alone, no code of the model's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from huggingface_hub import errors as hub_errors

from inlay.backends.model_files import damaged_weights
from inlay.backends.quantised import quantised
from inlay.backends.saved_by_5 import config_in_words_of_4, tokenizer_class
from inlay.errors import ModelError
from inlay.models.ref import ModelRef

# What transformers raises for a folder that it cannot read; where config.json has a value of another type, an error of
# the hub library's, which older versions lack.
_REFUSALS: tuple[type[Exception], ...] = (
    OSError, ValueError, KeyError, ImportError, TypeError, AttributeError, ArithmeticError,
    getattr(hub_errors, "StrictDataclassError", ValueError),
)  # fmt: skip


def load_pretrained(
    kind: Any, ref: ModelRef, dtype: torch.dtype, *, may_lack: Callable[[str], bool] = lambda _: False, **options: Any
) -> Any:
    """The model of ref.folder as an instance of `kind`, one of transformers' Auto classes, ready for inference.

    may_lack: whether the folder need not hold the weight of that name. Raises ModelError, with the reason, for a folder
    that does not load, or lacks weights: transformers draws those at random, and only logs it. With dtype = 'int8' its
    linear layers are made so, in torch's `dtype`.
    """
    from safetensors import SafetensorError

    refusals: tuple[type[Exception], ...] = (*_REFUSALS, RuntimeError, SafetensorError)
    try:
        with quiet():
            model, loaded = kind.from_pretrained(
                str(ref.folder),
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **config_in_words_of_4(ref),
                **options,
            )
    except refusals as error:
        said = "their sizes differ" if "ignore_mismatched_sizes" in str(error) else error
        reason = damaged_weights(ref) or (
            f"transformers cannot load {ref.folder} by its config.json and {ref.weights[0][0]}: {said}. Fetch the "
            "model again, or upgrade transformers."
        )
        raise ModelError(f"model {ref.name!r}: {reason}") from error
    missing = sorted(key for key in loaded["missing_keys"] if not may_lack(key))
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ModelError(
            f"model {ref.name!r}: {ref.folder / ref.weights[0][0]} has no weights for {', '.join(missing[:3])}{more}, "
            f"which config.json calls for. A file is damaged, or it is not a model for {ref.task!r}: check source and "
            f"task of [models.{ref.name}]."
        )
    return quantised(ref, model.eval())


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
    try:
        with quiet():
            kind = tokenizer_class(ref.folder)
            tokenizer = kind.from_pretrained(str(ref.folder), trust_remote_code=False, local_files_only=True)
    except TypeError as error:  # of transformers 4, for a path that is None
        raise _no_vocabulary(ref) from error
    except _REFUSALS as error:
        raise ModelError(f"model {ref.name!r}: the tokenizer in {ref.folder} cannot be loaded: {error}") from error
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise ModelError(
            f"model {ref.name!r}: the tokenizer in {ref.folder} ({type(tokenizer).__name__}) is written in Python; "
            "inlay runs only those of the tokenizers library. Choose a model with a tokenizer.json."
        )
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise _no_vocabulary(ref)  # transformers 5 makes an empty one of the model's kind where it finds no files
    return tokenizer


def _no_vocabulary(ref: ModelRef) -> ModelError:
    return ModelError(
        f"model {ref.name!r}: the tokenizer in {ref.folder} has no vocabulary: neither tokenizer.json nor a file of an "
        "older kind. Fetch the model again."
    )
