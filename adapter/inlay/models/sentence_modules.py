"""What runs after an encoder: the modules that a sentence-transformers folder lists in modules.json.

Understood are Transformer, Pooling, Dense, LayerNorm and Normalize; pooling comes before the last three.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inlay.models.model_folder import ModelFolder
from inlay.models.ref import Projection
from inlay.settings.schema import ModelSettings

# Names of sentence-transformers' older boolean switches, in the order in which it joins several poolings.
_POOLING_SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_POOLING_MODES = tuple(_POOLING_SWITCHES.values())


def sentence_parts(
    settings: ModelSettings, folder: ModelFolder, config: dict[str, Any], modules: list[dict[str, Any]], lowercase: bool
) -> dict[str, Any]:
    """Arguments of ModelRef: pooling, head and width of an embedding model. Raises CannotServeError."""
    read = _Modules(folder, int(config.get("hidden_size") or config.get("dim") or config.get("d_model") or 0))
    for module in modules:
        read.add(module)
    pooling, head, width = read.pooling, read.head, read.width
    if settings.pooling:
        width = width // max(1, len(pooling)) * len(settings.pooling)
        pooling = settings.pooling
    if not pooling:
        raise folder.cannot_serve(
            "names no pooling, so how its tokens become one vector per text is unknown. "
            f"Declare it as its model card says: [models.{settings.name}] pooling = 'mean'."
        )
    if settings.normalize is not None:
        head = [part for part in head if part != "normalize"] + (["normalize"] if settings.normalize else [])
    return {
        "width": width,
        "pooling": pooling,
        "include_prompt": read.include_prompt,
        "head": tuple(head),
        "lowercase": lowercase,
    }


class _Modules:
    """The modules read so far. width: length of the vector behind them."""

    def __init__(self, folder: ModelFolder, width: int) -> None:
        self.folder = folder
        self.width = width
        self.pooling: tuple[str, ...] = ()
        self.head: list[str | Projection] = []
        self.include_prompt = True

    def add(self, module: dict[str, Any]) -> None:
        kind, path = self._kind_and_path(module)
        if kind.startswith("sentence_transformers."):  # any other is code of the model's own, whatever its last word is
            kind = kind.rsplit(".", 1)[-1]
        if kind in ("Dense", "LayerNorm", "Normalize") and not self.pooling:
            raise self.folder.cannot_serve(
                f"has a {kind} before its pooling, so it works on single tokens; inlay runs it only on pooled vectors."
            )
        if kind in ("Dense", "LayerNorm") and not (self.folder.path / path / "model.safetensors").is_file():
            raise self.folder.no_safetensors(path)
        if kind == "Transformer":
            if path:
                raise self.folder.cannot_serve(
                    f"keeps its encoder in the folder {path!r}, an old layout that inlay does not read. Save it again: "
                    "SentenceTransformer(folder).save_pretrained(new)."
                )
        elif kind == "Pooling":
            self._add_pooling(self._config_of(path))
        elif kind == "Dense":
            self._add_dense(path, self._config_of(path))
        elif kind in ("LayerNorm", "Normalize"):
            self.head.append("normalize" if kind == "Normalize" else f"layernorm:{path}")
        else:
            raise self.folder.cannot_serve(
                f"has a module {kind!r} in its modules.json, which inlay does not run. It runs Transformer, Pooling, "
                "Dense, LayerNorm and Normalize."
            )

    def _kind_and_path(self, module: Any) -> tuple[str, str]:
        kind, path = (module.get("type"), module.get("path", "")) if isinstance(module, dict) else (None, "")
        if not isinstance(kind, str) or not isinstance(path, str):
            raise self.folder.broken("modules.json", f"{module!r} is no module with a type and a path")
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise self.folder.broken("modules.json", f"the path {path!r} leaves the model's folder")
        return kind, path

    def _config_of(self, path: str) -> dict[str, Any]:
        file = Path(path, "config.json")
        if not (self.folder.path / file).is_file():
            raise self.folder.broken("modules.json", f"it names {path!r}, and there is no {file}")
        saved: dict[str, Any] = self.folder.read(file)
        return saved

    def _add_pooling(self, saved: dict[str, Any]) -> None:
        if self.pooling:
            raise self.folder.cannot_serve("has two Pooling modules; inlay runs one.")
        named = saved.get("pooling_mode")
        if named:
            self.pooling = tuple(named) if isinstance(named, list) else (named,)
        else:
            switched_on = tuple(mode for switch, mode in _POOLING_SWITCHES.items() if saved.get(switch))
            self.pooling = switched_on or ("mean",)  # as sentence-transformers reads it
        for mode in self.pooling:
            if mode not in _POOLING_MODES:
                raise self.folder.cannot_serve(
                    f"pools by {mode!r}, which inlay does not know. It knows {', '.join(_POOLING_MODES)}."
                )
        self.include_prompt = bool(saved.get("include_prompt", True))
        self.width *= len(self.pooling)

    def _add_dense(self, path: str, saved: dict[str, Any]) -> None:
        activation = saved.get("activation_function", "torch.nn.modules.activation.Tanh")
        # A name from elsewhere than torch stays whole, and is refused when the model is loaded.
        if activation.startswith("torch.nn."):
            activation = activation.rsplit(".", 1)[-1]
        residual = bool(saved.get("use_residual", False))
        self.head.append(Projection(path, activation, bias=bool(saved.get("bias", True)), residual=residual))
        if not saved.get("out_features"):
            raise self.folder.broken(Path(path, "config.json"), "it has no out_features")
        self.width = int(saved["out_features"])
