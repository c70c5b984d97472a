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


@dataclass(frozen=True)
class ModelFolder:
    """name: the name of the model in the settings, for messages."""

    name: str
    path: Path

    def read(self, file: str | Path, absent: Any = None) -> Any:
        """The content of a JSON file; `absent`, by default {}, where there is no such file. Raises ModelError."""
        path = self.path / file
        absent = {} if absent is None else absent
        return read_json(path, type(absent), f"model {self.name!r}: ") if path.is_file() else absent

    def cannot_serve(self, reason: str) -> CannotServeError:
        """reason: continues "model 'name' …"."""
        return CannotServeError(f"model {self.name!r} {reason}")

    def no_safetensors(self, inside: str = "") -> ModelNotFoundError:
        return ModelNotFoundError(
            f"model {self.name!r}: {self.path / inside} has no *.safetensors file. inlay loads no pickled weights; "
            "convert them once with save_pretrained(..., safe_serialization=True)."
        )
