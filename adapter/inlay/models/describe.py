"""From a model's folder to a ModelRef: reads its small JSON files, loads nothing.

Understands sentence-transformers folders (modules.json: Transformer, Pooling, Dense, LayerNorm, Normalize),
plain encoders with a declared pooling, sequence classifiers, NLI models and cross-encoders.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inlay.errors import CannotServeError, DigestError, ModelNotFoundError
from inlay.models.fingerprint import model_fingerprint, weight_digests
from inlay.models.locate import find_folder
from inlay.types import ModelRef, ModelSettings, Projection, Task

# Names of sentence-transformers' older boolean switches, in the order in which it joins several poolings.
_POOLING_SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_FAKE_WIDTH = {"embed": 8, "classify": 3, "nli": 3, "rerank": 1}
_FAKE_LABELS = {"classify": ("alpha", "beta", "gamma"), "nli": ("entailment", "neutral", "contradiction")}


def describe(settings: ModelSettings, *, device: str = "auto", dtype: str = "auto") -> ModelRef:
    """The model that these settings mean.

    Raises ModelNotFoundError, DigestError when a recorded digest differs, CannotServeError for a folder that
    holds something else than an encoder or classifier.
    """
    if settings.source.startswith("fake:"):
        return _fake(settings)
    folder = find_folder(settings)
    config = _read(folder / "config.json")
    files = sorted(folder.glob("*.safetensors")) + sorted(folder.glob("*/*.safetensors"))
    if not any(path.parent == folder for path in files):
        raise ModelNotFoundError(
            f"model {settings.name!r}: {folder} has no *.safetensors file. inlay loads no pickled weights; "
            "convert them once with save_pretrained(..., safe_serialization=True)."
        )
    weights = weight_digests(folder, files)
    if settings.sha256 and settings.sha256 not in {digest for _, digest in weights}:
        raise DigestError(
            f"model {settings.name!r}: the weights in {folder} have SHA-256 {weights[0][1]}, "
            f"but {settings.sha256} is recorded. They are damaged or not this model; fetch them again."
        )
    modules = _read(folder / "modules.json") if (folder / "modules.json").is_file() else []
    task = settings.task or _task(settings, config, modules)
    parts = _sentence_parts(settings, folder, config, modules) if task == "embed" else _classifier_parts(config)
    limit = settings.max_tokens or _token_limit(folder, config, modules)
    prompts = settings.prompts
    if prompts is None:
        path = folder / "config_sentence_transformers.json"
        saved = _read(path).get("prompts") if path.is_file() else None
        prompts = tuple(sorted((k, v) for k, v in (saved or {}).items() if isinstance(v, str) and v))
    # Prompts are part of each input's identity, not of the model's: a changed query prompt leaves documents known.
    pipeline = {
        "task": task,
        "max_tokens": limit,
        **{key: [str(item) for item in value] for key, value in parts.items() if key in ("pooling", "head", "labels")},
    }
    return ModelRef(
        name=settings.name,
        source=settings.source,
        folder=folder,
        task=task,
        backend=settings.backend or "torch",
        architecture=next(iter(config.get("architectures") or []), ""),
        model_type=config.get("model_type", ""),
        max_tokens=limit,
        too_long=settings.too_long,
        fingerprint=model_fingerprint(folder, weights, config, pipeline),
        device=settings.device or device,
        dtype=settings.dtype or dtype,
        prompts=prompts,
        template=settings.template,
        weights=weights,
        **parts,
    )


def _task(settings: ModelSettings, config: dict[str, Any], modules: list[dict[str, Any]]) -> Task:
    if modules:
        return "embed"
    architecture = next(iter(config.get("architectures") or []), "")
    if architecture.endswith("ForSequenceClassification"):
        labels = _labels(config)
        if len(labels) == 1:
            return "rerank"
        return "nli" if any("entail" in label.lower() for label in labels) else "classify"
    if settings.pooling:
        return "embed"
    if architecture.endswith(("ForCausalLM", "ForConditionalGeneration")):
        raise CannotServeError(
            f"model {settings.name!r} is a language model ({architecture}); this version serves encoders and classifiers."
        )
    raise CannotServeError(
        f"model {settings.name!r} ({architecture or 'no architecture named'}) has no modules.json, so how to pool its "
        f"tokens is unknown. Declare it as its model card says: [models.{settings.name}] pooling = 'mean'."
    )


def _sentence_parts(
    settings: ModelSettings, folder: Path, config: dict[str, Any], modules: list[dict[str, Any]]
) -> dict[str, Any]:
    pooling: tuple[str, ...] = ()
    head: list[str | Projection] = []
    width = int(config.get("hidden_size") or config.get("dim") or config.get("d_model") or 0)
    include_prompt, lowercase = True, False
    for module in modules:
        kind = module["type"].rsplit(".", 1)[-1]
        path = folder / module.get("path", "")
        saved = _read(path / "config.json") if kind != "Transformer" and (path / "config.json").is_file() else {}
        if kind == "Transformer":
            lowercase = bool(_transformer_settings(path).get("do_lower_case"))
        elif kind == "Pooling":
            pooling = _pooling_modes(saved)
            include_prompt = bool(saved.get("include_prompt", True))
            width *= len(pooling)
        elif kind == "Dense":
            head.append(
                Projection(
                    path=module["path"],
                    activation=saved.get("activation_function", "torch.nn.modules.activation.Tanh").rsplit(".", 1)[-1],
                    bias=bool(saved.get("bias", True)),
                    residual=bool(saved.get("use_residual", False)),
                )
            )
            width = int(saved["out_features"])
        elif kind == "LayerNorm":
            head.append(f"layernorm:{module['path']}")
        elif kind == "Normalize":
            head.append("normalize")
        else:
            raise CannotServeError(
                f"model {settings.name!r} has a module {kind!r}, which inlay does not run. "
                "It runs Transformer, Pooling, Dense, LayerNorm and Normalize."
            )
    if settings.pooling:
        width = width // max(1, len(pooling)) * len(settings.pooling)
        pooling = settings.pooling
    if settings.normalize is not None:
        head = [part for part in head if part != "normalize"] + (["normalize"] if settings.normalize else [])
    return {
        "width": width,
        "pooling": pooling,
        "include_prompt": include_prompt,
        "head": tuple(head),
        "lowercase": lowercase,
    }


def _classifier_parts(config: dict[str, Any]) -> dict[str, Any]:
    labels = _labels(config)
    multi = config.get("problem_type") == "multi_label_classification"
    return {"width": len(labels), "labels": labels, "multi_label": multi}


def _labels(config: dict[str, Any]) -> tuple[str, ...]:
    named = config.get("id2label")
    if named:
        return tuple(str(named[key]) for key in sorted(named, key=int))
    return tuple(f"LABEL_{i}" for i in range(int(config.get("num_labels", 2))))


def _pooling_modes(saved: dict[str, Any]) -> tuple[str, ...]:
    named = saved.get("pooling_mode")
    if isinstance(named, str):
        return (named,)
    if named:
        return tuple(named)
    return tuple(mode for switch, mode in _POOLING_SWITCHES.items() if saved.get(switch)) or ("mean",)


def _transformer_settings(folder: Path) -> dict[str, Any]:
    for name in ("sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json"):
        if (folder / name).is_file():
            saved = _read(folder / name)
            return saved if isinstance(saved, dict) else {}
    return {}


def _token_limit(folder: Path, config: dict[str, Any], modules: list[dict[str, Any]]) -> int:
    """As sentence-transformers: its own max_seq_length, else the smaller of tokenizer and position table."""
    saved = _transformer_settings(folder).get("max_seq_length") if modules else None
    limits = [int(saved)] if saved else []
    tokenizer = folder / "tokenizer_config.json"
    if not saved and tokenizer.is_file():
        limits.append(int(min(_read(tokenizer).get("model_max_length") or 10**9, 10**9)))
    positions = config.get("max_position_embeddings")
    if positions:
        # RoBERTa and its kin number positions from padding_idx + 1, so two of the table's rows are never used.
        offset = 2 if config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer") else 0
        limits.append(int(positions) - offset)
    return min(limits) if limits else 512


def _fake(settings: ModelSettings) -> ModelRef:
    kind = settings.source.partition(":")[2]
    if kind not in _FAKE_WIDTH:
        raise CannotServeError(f"model {settings.name!r}: fake:{kind} does not exist; use {', '.join(_FAKE_WIDTH)}.")
    limit = settings.max_tokens or 512
    return ModelRef(
        name=settings.name,
        source=settings.source,
        folder=Path(),
        task=kind,  # type: ignore[arg-type]
        backend="fake",
        architecture="fake",
        model_type="fake",
        width=_FAKE_WIDTH[kind],
        max_tokens=limit,
        too_long=settings.too_long,
        fingerprint=f"fake/{kind}/{limit}",
        pooling=("mean",),
        head=("normalize",) if kind == "embed" else (),
        prompts=settings.prompts or (),
        labels=_FAKE_LABELS.get(kind, ()),
        template=settings.template,
    )


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
