"""What transformers 5 saves in words of its own, for transformers 4, which passes over what it does not know: a Llama
whose rotations have another base than the default would load, and answer wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inlay.backends.model_files import read_config
from inlay.errors import ModelError
from inlay.models.ref import ModelRef


def tokenizer_class(folder: Path) -> Any:
    """What the folder's tokenizer is loaded by: 5 calls TokenizersBackend what 4 calls PreTrainedTokenizerFast."""
    import transformers

    if hasattr(transformers, "TokenizersBackend"):
        return transformers.AutoTokenizer
    file = folder / "tokenizer_config.json"
    is_of_5 = file.is_file() and b'"TokenizersBackend"' in file.read_bytes()
    return transformers.PreTrainedTokenizerFast if is_of_5 else transformers.AutoTokenizer


def config_in_words_of_4(ref: ModelRef) -> dict[str, Any]:
    """Keys of config.json that are named otherwise in 4; {} in 5. Raises ModelError where 4 has no word for them."""
    import transformers

    if int(transformers.__version__.partition(".")[0]) >= 5:
        return {}
    rope = read_config(ref).get("rope_parameters")
    if not isinstance(rope, dict):
        return {}
    if any(isinstance(value, dict) for value in rope.values()):
        raise ModelError(
            f"model {ref.name!r}: config.json in {ref.folder} was saved by transformers 5, with rope_parameters "
            f"for each kind of layer; transformers {transformers.__version__} would take its own. Upgrade: "
            "pip install 'transformers>=5'."
        )
    moved = {name: rope[name] for name in ("rope_theta", "partial_rotary_factor") if name in rope}
    scaling = {name: value for name, value in rope.items() if name not in moved}
    is_scaled = scaling.get("rope_type", "default") != "default"
    return {**moved, "rope_scaling": scaling} if is_scaled else moved
