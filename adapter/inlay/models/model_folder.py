"""The small JSON files in a model's folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inlay.errors import CannotServeError, ModelError, ModelNotFoundError


def read_json(path: Path, kind: type, whose: str = "") -> Any:
    """The content of a JSON file, an object or a list. whose: begins the message. Raises ModelError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{whose}{path} is not valid JSON: {error}. Fetch the model again.") from error
    if not isinstance(content, kind):
        words = "an object" if kind is dict else "a list"
        raise ModelError(
            f"{whose}{path} holds {type(content).__name__} where {words} is expected. Fetch the model again."
        )
    return content


# Numbers that a model is made by, and the least that each may be. Others are left to whoever reads them.
_LEAST = {
    "hidden_size": 1, "dim": 1, "d_model": 1, "num_hidden_layers": 1, "num_attention_heads": 1,
    "max_position_embeddings": 1, "n_positions": 1, "n_ctx": 1, "num_labels": 1, "max_seq_length": 1, "out_features": 1,
    "layer_norm_eps": 0, "model_max_length": 0,
}  # fmt: skip


@dataclass(frozen=True)
class ModelFolder:
    """name: the name of the model in the settings, for messages."""

    name: str
    path: Path

    def read(self, file: str | Path, absent: Any = None) -> Any:
        """The content of a JSON file; `absent`, by default {}, where there is no such file. Raises ModelError."""
        path = self.path / file
        absent = {} if absent is None else absent
        if not path.is_file():
            return absent
        content = read_json(path, type(absent), f"model {self.name!r}: ")
        for name in _LEAST.keys() & set(content) if isinstance(content, dict) else ():
            number = content[name]
            is_number = isinstance(number, int | float) and not isinstance(number, bool) and number >= _LEAST[name]
            if number is not None and not is_number:
                raise self.broken(file, f"{name} is {number!r}, and not a number of at least {_LEAST[name]}")
        return content

    def broken(self, file: str | Path, reason: str) -> ModelError:
        """reason: continues "… is broken: "."""
        return ModelError(f"model {self.name!r}: {self.path / file} is broken: {reason}. Fetch the model again.")

    def cannot_serve(self, reason: str) -> CannotServeError:
        """reason: continues "model 'name' …"."""
        return CannotServeError(f"model {self.name!r} {reason}")

    def no_safetensors(self, inside: str = "") -> ModelNotFoundError:
        return ModelNotFoundError(
            f"model {self.name!r}: {self.path / inside} has no *.safetensors file. inlay loads no pickled weights; "
            "convert them once with save_pretrained(..., safe_serialization=True)."
        )
