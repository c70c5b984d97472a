"""From a model's folder to a ModelRef: reads its small JSON files, loads nothing.

Understands sentence-transformers folders (modules.json: Transformer, Pooling, Dense, LayerNorm, Normalize),
plain encoders with a declared pooling, sequence classifiers, NLI models, cross-encoders, and language models, decoders
alone or with an encoder. A model behind an endpoint is described in endpoint.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inlay.errors import CannotServeError, DigestError, ModelError, ModelNotFoundError
from inlay.models.capabilities import capabilities_of
from inlay.models.endpoint import PREFIX, describe_endpoint
from inlay.models.fingerprint import model_fingerprint, weight_digests
from inlay.models.locate import find_folder
from inlay.models.ref import ModelRef, Projection
from inlay.settings.schema import ModelSettings
from inlay.types import Task

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
RULES = "rules:"
"""The source of what needs no model: ai_redact and ai_detect_pii by patterns and checksums."""

_FAKE_WIDTH = {"embed": 8, "classify": 3, "nli": 3, "rerank": 1, "generate": 0}
_FAKE_LABELS = {"classify": ("alpha", "beta", "gamma"), "nli": ("entailment", "neutral", "contradiction")}


def describe(settings: ModelSettings, *, device: str = "auto", dtype: str = "auto") -> ModelRef:
    """The model that these settings mean.

    Raises ModelNotFoundError, DigestError when a recorded digest differs, CannotServeError for a folder that
    holds something else than an encoder or classifier, ModelError for files that do not read as JSON.
    """
    if settings.source.startswith("fake:"):
        return _fake(settings)
    if settings.source.startswith(PREFIX):
        return describe_endpoint(settings)
    if settings.source == RULES:
        return _rules(settings)
    folder = find_folder(settings)
    if not (folder / "config.json").is_file():
        raise ModelNotFoundError(
            f"model {settings.name!r}: {folder} has no config.json, so it is not a model's folder. "
            f"Correct [models.{settings.name}] source in inlay.toml."
        )
    config = _read(settings, folder / "config.json")
    files = sorted(folder.glob("*.safetensors")) + sorted(folder.glob("*/*.safetensors"))
    if not any(path.parent == folder for path in files):
        raise _no_safetensors(settings, folder)
    weights = weight_digests(folder, files)
    if settings.sha256 and settings.sha256 not in {digest for _, digest in weights}:
        found = next(digest for name, digest in weights if "/" not in name)
        raise DigestError(
            f"model {settings.name!r}: the weights in {folder} have SHA-256 {found}, "
            f"but {settings.sha256} is recorded. They are damaged or not this model; fetch them again."
        )
    modules = _read(settings, folder / "modules.json") if (folder / "modules.json").is_file() else []
    tokenizer = (
        _read(settings, folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    )
    transformer = _transformer_settings(settings, folder) if modules else {}
    if transformer.get("transformer_task") == "sequence-classification":
        modules = []  # a cross-encoder as sentence-transformers 6 saves it: a sequence classifier and nothing else
    task = settings.task or _task(settings, config, modules)
    if task == "generate":
        parts: dict[str, Any] = {"width": 0}
    elif task == "embed":
        parts = _sentence_parts(settings, folder, config, modules, bool(transformer.get("do_lower_case")))
    else:
        parts = _classifier_parts(config)
        if task == "rerank" and parts["width"] != 1:
            raise CannotServeError(
                f"model {settings.name!r} has {parts['width']} labels ({', '.join(parts['labels'])}); a cross-encoder "
                f"has one. Remove task from [models.{settings.name}]."
            )
    limit = settings.max_tokens or (
        _window(config) if task == "generate" else _token_limit(tokenizer, config, transformer)
    )
    prompts = settings.prompts
    if prompts is None:
        path = folder / "config_sentence_transformers.json"
        saved = _read(settings, path).get("prompts") if path.is_file() else None
        prompts = tuple(sorted((k, v) for k, v in (saved or {}).items() if isinstance(v, str) and v))
    # Prompts are part of each input's identity, not of the model's: a changed query prompt leaves documents known.
    pipeline = {
        "task": task,
        "max_tokens": limit,
        "truncation_side": tokenizer.get("truncation_side", "right"),
        **{key: [str(item) for item in value] for key, value in parts.items() if key in ("pooling", "head", "labels")},
        **{key: value for key, value in parts.items() if key in ("lowercase", "include_prompt", "multi_label")},
        **(_chat(settings, folder, tokenizer) if task == "generate" else {}),
    }
    backend = settings.backend or "torch"
    output_cost = settings.cost_per_million_output_tokens
    return ModelRef(
        name=settings.name,
        source=settings.source,
        folder=folder,
        task=task,
        backend=backend,
        capabilities=capabilities_of(task, backend),
        max_output_tokens=settings.max_output_tokens or 512,
        chat_template_options=settings.chat_template_options,
        architecture=next(iter(config.get("architectures") or []), ""),
        model_type=config.get("model_type", ""),
        max_tokens=limit,
        # A text that is cut still has a vector; a prompt that is cut asks something else.
        too_long=settings.too_long or ("error" if task == "generate" else "truncate"),
        fingerprint=model_fingerprint(folder, weights, config, pipeline),
        device=settings.device or device,
        dtype=settings.dtype or dtype,
        prompts=prompts,
        template=settings.template,
        cost_per_million_tokens=settings.cost_per_million_tokens,
        cost_per_million_output_tokens=settings.cost_per_million_tokens if output_cost is None else output_cost,
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
    # GPT-2 was named before there was a custom.
    if architecture.endswith(("ForCausalLM", "ForConditionalGeneration", "LMHeadModel")):
        return "generate"
    raise CannotServeError(
        f"model {settings.name!r} ({architecture or 'no architecture named'}) has no modules.json, so how to pool its "
        f"tokens is unknown. Declare it as its model card says: [models.{settings.name}] pooling = 'mean'."
    )


def _sentence_parts(
    settings: ModelSettings, folder: Path, config: dict[str, Any], modules: list[dict[str, Any]], lowercase: bool
) -> dict[str, Any]:
    pooling: tuple[str, ...] = ()
    head: list[str | Projection] = []
    width = int(config.get("hidden_size") or config.get("dim") or config.get("d_model") or 0)
    include_prompt = True
    for module in modules:
        kind = module["type"].rsplit(".", 1)[-1]
        if not module["type"].startswith("sentence_transformers."):
            kind = module["type"]  # code of the model's own, whatever its last word is
        path = folder / module.get("path", "")
        _check_module(settings, kind, path, module, is_pooled=bool(pooling))
        saved = (
            _read(settings, path / "config.json") if kind != "Transformer" and (path / "config.json").is_file() else {}
        )
        if kind == "Pooling":
            pooling = _pooling_modes(settings, saved)
            include_prompt = bool(saved.get("include_prompt", True))
            width *= len(pooling)
        elif kind == "Dense":
            head.append(_projection(module["path"], saved))
            width = int(saved["out_features"])
        elif kind == "LayerNorm":
            head.append(f"layernorm:{module['path']}")
        elif kind == "Normalize":
            head.append("normalize")
    if not (pooling or settings.pooling):
        raise CannotServeError(
            f"model {settings.name!r} names no pooling, so how its tokens become one vector per text is unknown. "
            f"Declare it as its model card says: [models.{settings.name}] pooling = 'mean'."
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


def _check_module(settings: ModelSettings, kind: str, path: Path, module: dict[str, Any], *, is_pooled: bool) -> None:
    """Raises an error for a module that inlay does not run in this place."""
    if kind in ("Dense", "LayerNorm", "Normalize") and not is_pooled:
        raise CannotServeError(
            f"model {settings.name!r} has a {kind} before its pooling, so it works on single tokens; inlay runs it "
            "only on pooled vectors."
        )
    if kind in ("Dense", "LayerNorm") and not (path / "model.safetensors").is_file():
        raise _no_safetensors(settings, path)
    if kind == "Transformer" and module.get("path"):
        raise CannotServeError(
            f"model {settings.name!r} keeps its encoder in the folder {module['path']!r}, an old layout that inlay "
            "does not read. Save it again: SentenceTransformer(folder).save_pretrained(new)."
        )
    if kind == "Pooling" and is_pooled:
        raise CannotServeError(f"model {settings.name!r} has two Pooling modules; inlay runs one.")
    if kind not in ("Transformer", "Pooling", "Dense", "LayerNorm", "Normalize"):
        raise CannotServeError(
            f"model {settings.name!r} has a module {kind!r}, which inlay does not run. "
            "It runs Transformer, Pooling, Dense, LayerNorm and Normalize."
        )


def _projection(path: str, saved: dict[str, Any]) -> Projection:
    activation = saved.get("activation_function", "torch.nn.modules.activation.Tanh")
    return Projection(
        path=path,
        # A name from elsewhere than torch is kept whole, and refused when the model is loaded.
        activation=activation.rsplit(".", 1)[-1] if activation.startswith("torch.nn.") else activation,
        bias=bool(saved.get("bias", True)),
        residual=bool(saved.get("use_residual", False)),
    )


def _classifier_parts(config: dict[str, Any]) -> dict[str, Any]:
    labels = _labels(config)
    multi = config.get("problem_type") == "multi_label_classification"
    return {"width": len(labels), "labels": labels, "multi_label": multi}


def _labels(config: dict[str, Any]) -> tuple[str, ...]:
    named = config.get("id2label")
    if named:
        return tuple(str(named[key]) for key in sorted(named, key=int))
    return tuple(f"LABEL_{i}" for i in range(int(config.get("num_labels", 2))))


def _pooling_modes(settings: ModelSettings, saved: dict[str, Any]) -> tuple[str, ...]:
    named = saved.get("pooling_mode")
    if not named:
        return tuple(mode for switch, mode in _POOLING_SWITCHES.items() if saved.get(switch)) or ("mean",)
    modes = (named,) if isinstance(named, str) else tuple(named)
    for mode in modes:
        if mode not in _POOLING_MODES:
            raise CannotServeError(
                f"model {settings.name!r} pools by {mode!r}, which inlay does not know. "
                f"It knows {', '.join(_POOLING_MODES)}."
            )
    return modes


def _transformer_settings(settings: ModelSettings, folder: Path) -> dict[str, Any]:
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"):
        path = folder / f"sentence_{kind}_config.json"
        if path.is_file():
            saved = _read(settings, path)
            return saved if isinstance(saved, dict) else {}
    return {}


def _token_limit(tokenizer: dict[str, Any], config: dict[str, Any], transformer: dict[str, Any]) -> int:
    """As sentence-transformers: its own max_seq_length, else the smaller of tokenizer and position table."""
    saved = transformer.get("max_seq_length")
    limits = [int(saved)] if saved else []
    if not saved and tokenizer:
        limits.append(int(min(tokenizer.get("model_max_length") or 10**9, 10**9)))
    positions = config.get("max_position_embeddings")
    if positions:
        # RoBERTa and its kin number positions from padding_idx + 1, so two of the table's rows are never used.
        offset = 2 if config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer") else 0
        limits.append(int(positions) - offset)
    return min(limits) if limits else 512


def _window(config: dict[str, Any]) -> int:
    """What a language model reads at once, prompt and reply together. T5 and its kin know distances, not positions, and
    name no limit; what they were trained on is the one that they have."""
    for key in ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length"):
        if config.get(key):
            return int(config[key])
    return 2_048 if not config.get("is_encoder_decoder") else 512


def _chat(settings: ModelSettings, folder: Path, tokenizer: dict[str, Any]) -> dict[str, Any]:
    """What of the files around a language model's weights decides how a prompt is put and where a reply ends."""
    template = folder / "chat_template.jinja"
    generation = folder / "generation_config.json"
    saved = _read(settings, generation) if generation.is_file() else {}
    return {
        "chat_template": template.read_text(encoding="utf-8") if template.is_file() else tokenizer.get("chat_template"),
        "chat_template_options": settings.chat_template_options,
        "ends": saved.get("eos_token_id"),
    }


def _rules(settings: ModelSettings) -> ModelRef:
    return ModelRef(
        name=settings.name, source=settings.source, folder=Path(), task="rules", backend="rules", architecture="",
        model_type="", width=0, max_tokens=0, too_long="error", fingerprint="rules",
        capabilities=capabilities_of("rules", "rules", tokenizer=False),
    )  # fmt: skip


def _fake(settings: ModelSettings) -> ModelRef:
    kind: Any = settings.source.partition(":")[2]
    if kind not in _FAKE_WIDTH:
        raise CannotServeError(f"model {settings.name!r}: fake:{kind} does not exist; use {', '.join(_FAKE_WIDTH)}.")
    limit = settings.max_tokens or (2_048 if kind == "generate" else 512)
    output_cost = settings.cost_per_million_output_tokens
    return ModelRef(
        name=settings.name,
        source=settings.source,
        folder=Path(),
        task=kind,
        backend="fake",
        capabilities=capabilities_of(kind, "fake"),
        architecture="fake",
        model_type="fake",
        width=_FAKE_WIDTH[kind],
        max_tokens=limit,
        too_long=settings.too_long or ("error" if kind == "generate" else "truncate"),
        fingerprint=f"fake/{kind}/{limit}",
        pooling=("mean",),
        head=("normalize",) if kind == "embed" else (),
        prompts=settings.prompts or (),
        labels=_FAKE_LABELS.get(kind, ()),
        template=settings.template,
        cost_per_million_tokens=settings.cost_per_million_tokens,
        cost_per_million_output_tokens=settings.cost_per_million_tokens if output_cost is None else output_cost,
        max_output_tokens=settings.max_output_tokens or 512,
    )


def _no_safetensors(settings: ModelSettings, folder: Path) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"model {settings.name!r}: {folder} has no *.safetensors file. inlay loads no pickled weights; "
        "convert them once with save_pretrained(..., safe_serialization=True)."
    )


def _read(settings: ModelSettings, path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            f"model {settings.name!r}: {path} is not valid JSON: {error}. Fetch the model again."
        ) from error
