"""The files of a described model, read when it is loaded: weights only with the digests that were recorded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inlay.errors import DigestError, ModelError
from inlay.models.model_folder import ModelFolder
from inlay.models.ref import ModelRef

if TYPE_CHECKING:
    import torch


def check_digests(ref: ModelRef) -> None:
    """Raises DigestError where a weight file is another than the one recorded in ref.weights."""
    for name, recorded in ref.weights:
        with (ref.folder / name).open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
        if actual != recorded:
            raise DigestError(
                f"model {ref.name!r}: {ref.folder / name} has SHA-256 {actual}, but {recorded} was recorded when it "
                "was described. The file changed or is damaged; fetch it again."
            )


def damaged_weights(ref: ModelRef) -> str:
    """Which of the weight files is not whole, and why; '' for none."""
    from safetensors import SafetensorError, safe_open

    for name, _ in ref.weights:
        try:
            with safe_open(ref.folder / name, "np"):
                pass
        except (OSError, SafetensorError) as error:
            return f"{ref.folder / name} is damaged: {error}. Fetch the model again."
    return ""


def read_config(ref: ModelRef, file: str = "config.json") -> dict[str, Any]:
    """The content of a JSON file in the model's folder; {} where there is no such file. Raises ModelError."""
    content: dict[str, Any] = ModelFolder(ref.name, ref.folder).read(file)
    return content


def read_weights(ref: ModelRef, file: str | Path) -> dict[str, torch.Tensor]:
    """The weights in a safetensors file of the model's folder, by name. Raises ModelError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = ref.folder / file
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"model {ref.name!r}: {path} cannot be loaded: {error}. Fetch the model again.") from error
