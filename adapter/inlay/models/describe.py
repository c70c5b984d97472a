"""From a model's folder to a ModelRef: reads its small JSON files, loads nothing.

Understands sentence-transformers folders (sentence_modules.py), plain encoders with a declared pooling, sequence
classifiers, NLI models, cross-encoders, and language models: decoders alone or with an encoder. endpoint.py describes a
model behind an endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inlay.errors import CannotServeError, DigestError, ModelNotFoundError
from inlay.models.capabilities import capabilities_of
from inlay.models.declared import declared
from inlay.models.endpoint import ONLY_SENT, PREFIX, describe_endpoint, refuse_unused
from inlay.models.fingerprint import model_fingerprint, weight_digests
from inlay.models.gguf import Conversion, read_conversion
from inlay.models.locate import find_folder
from inlay.models.model_folder import ModelFolder
from inlay.models.ref import ModelRef
from inlay.models.sentence_modules import sentence_parts
from inlay.settings.schema import ModelSettings
from inlay.types import Task

RULES = "rules:"
"""The source of the built-in rules: ai_redact and ai_detect_pii by patterns and checksums, without a model."""

_FAKE_WIDTH = {"embed": 8, "classify": 3, "nli": 3, "rerank": 1, "generate": 0}
_FAKE_LABELS = {"classify": ("alpha", "beta", "gamma"), "nli": ("entailment", "neutral", "contradiction")}


def describe(settings: ModelSettings, *, device: str = "auto", dtype: str = "auto") -> ModelRef:
    """The model that the settings describe.

    Raises ModelNotFoundError, DigestError when the weights differ from the recorded digest, CannotServeError for a
    folder with an unsupported model, ModelError for files that are not valid JSON.
    """
    if settings.source.startswith("fake:"):
        return _fake(settings)
    if settings.source.startswith(PREFIX):
        return describe_endpoint(settings)
    refuse_unused(settings, ONLY_SENT, "a model in this process")
    if settings.source == RULES:
        return _rules(settings)
    path = find_folder(settings)
    if not (path / "config.json").is_file():
        raise ModelNotFoundError(
            f"model {settings.name!r}: {path} has no config.json, so it is not a model's folder. "
            f"Correct [models.{settings.name}] source in inlay.toml."
        )
    return _of_files(settings, _Files.read(ModelFolder(settings.name, path)), device, dtype)


@dataclass(frozen=True)
class _Files:
    """What the small files in a model's folder say. transformer, modules: of a sentence-transformers folder, else
    empty."""

    folder: ModelFolder
    config: dict[str, Any]
    tokenizer: dict[str, Any]
    transformer: dict[str, Any]
    modules: list[dict[str, Any]]

    @classmethod
    def read(cls, folder: ModelFolder) -> _Files:
        modules = folder.read("modules.json", [])
        transformer = _transformer_settings(folder) if modules else {}
        if transformer.get("transformer_task") == "sequence-classification":
            modules = []  # a cross-encoder as sentence-transformers 6 saves it: a sequence classifier and nothing else
        return cls(folder, folder.read("config.json"), folder.read("tokenizer_config.json"), transformer, modules)

    @property
    def architecture(self) -> str:
        named = self.config.get("architectures")
        return str(named[0]) if isinstance(named, list) and named else ""


def _of_files(settings: ModelSettings, files: _Files, device: str, dtype: str) -> ModelRef:
    path = files.folder.path
    conversion = read_conversion(path)
    weights = _weights(settings, files.folder, conversion)
    task = settings.task or _task(settings, files)
    parts = _parts(settings, files, task)
    limit = settings.max_tokens or (_window(files.config) if task == "generate" else _token_limit(files))
    pipeline = _pipeline(settings, files, task, limit, parts)
    backend = settings.backend or "torch"
    return ModelRef(
        folder=path,
        task=task,
        backend=backend,
        capabilities=capabilities_of(task, backend),
        chat_template_options=settings.chat_template_options,
        architecture=files.architecture,
        model_type=files.config.get("model_type", ""),
        max_tokens=limit,
        # A text that is cut still has a vector; a prompt that is cut is another question.
        too_long=settings.too_long or ("error" if task == "generate" else "truncate"),
        fingerprint=model_fingerprint(
            path, weights, files.config, pipeline, None if conversion is None else conversion.identity
        ),
        device=settings.device or device,
        dtype=settings.dtype or dtype,
        weights=weights,
        **{**declared(settings), **parts, **_saved_prompts(settings, files)},
    )


def _parts(settings: ModelSettings, files: _Files, task: Task) -> dict[str, Any]:
    """Arguments of ModelRef: what stands behind the transformer."""
    if task == "generate":
        return {"width": 0}
    if task == "embed":
        lowercase = bool(files.transformer.get("do_lower_case"))
        return sentence_parts(settings, files.folder, files.config, files.modules, lowercase)
    labels = _labels(files)
    if task == "rerank" and len(labels) != 1:
        raise CannotServeError(
            f"model {settings.name!r} has {len(labels)} labels ({', '.join(labels)}); a cross-encoder has one. Remove "
            f"task from [models.{settings.name}]."
        )
    multi = files.config.get("problem_type") == "multi_label_classification"
    return {"width": len(labels), "labels": labels, "multi_label": multi}


def _saved_prompts(settings: ModelSettings, files: _Files) -> dict[str, Any]:
    """The folder's own prompts, where the settings have none."""
    saved = None
    if settings.prompts is None:
        saved = files.folder.read("config_sentence_transformers.json").get("prompts")
    if not saved:
        return {}
    return {"prompts": tuple(sorted((k, v) for k, v in saved.items() if isinstance(v, str) and v))}


def _pipeline(
    settings: ModelSettings, files: _Files, task: Task, limit: int, parts: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything around the weights that decides an answer. Prompts are part of each input's identity, not of the
    model's: after a change of the query prompt, documents stay known."""
    return {
        "task": task,
        "max_tokens": limit,
        "truncation_side": files.tokenizer.get("truncation_side", "right"),
        **{key: [str(item) for item in value] for key, value in parts.items() if key in ("pooling", "head", "labels")},
        **{key: value for key, value in parts.items() if key in ("lowercase", "include_prompt", "multi_label")},
        **(_chat(settings, files) if task == "generate" else {}),
    }


def _weights(
    settings: ModelSettings, folder: ModelFolder, conversion: Conversion | None
) -> tuple[tuple[str, str], ...]:
    """(path inside the folder, SHA-256) of each weight file."""
    files = sorted(folder.path.glob("*.safetensors")) + sorted(folder.path.glob("*/*.safetensors"))
    if not any(file.parent == folder.path for file in files):
        raise folder.no_safetensors()
    for file in files:
        if not file.is_file():
            raise folder.broken(file.relative_to(folder.path), "it is a folder, or a link to nothing")
    weights = weight_digests(folder.path, files)
    if conversion is not None:
        if weights != conversion.weights:
            raise DigestError(
                f"model {settings.name!r}: the weights in {folder.path} are not those that were converted from the "
                "GGUF file. Delete the folder; they are then converted again."
            )
        return weights  # sha256 is that of the GGUF file, which the folder was found by
    if settings.sha256 and settings.sha256 not in {digest for _, digest in weights}:
        actual = next(digest for name, digest in weights if "/" not in name)
        raise DigestError(
            f"model {settings.name!r}: the weights in {folder.path} have SHA-256 {actual}, but sha256 of "
            f"[models.{settings.name}] is {settings.sha256}. They are damaged or not this model; fetch them again."
        )
    return weights


def _task(settings: ModelSettings, files: _Files) -> Task:
    if files.modules:
        return "embed"
    architecture = files.architecture
    if architecture.endswith("ForSequenceClassification"):
        labels = _labels(files)
        if len(labels) == 1:
            return "rerank"
        return "nli" if any("entail" in label.lower() for label in labels) else "classify"
    if settings.pooling:
        return "embed"
    # GPT-2 is older than the naming convention.
    if architecture.endswith(("ForCausalLM", "ForConditionalGeneration", "LMHeadModel")):
        return "generate"
    raise CannotServeError(
        f"model {settings.name!r} ({architecture or 'no architecture named'}) has no modules.json, so how to pool its "
        f"tokens is unknown. Declare it as its model card says: [models.{settings.name}] pooling = 'mean'."
    )


def _labels(files: _Files) -> tuple[str, ...]:
    named = files.config.get("id2label")
    if named:
        if not isinstance(named, dict) or not all(key.isdecimal() for key in named):
            raise files.folder.broken("config.json", f"id2label is {named!r}, and not an object of numbers and labels")
        return tuple(str(named[key]) for key in sorted(named, key=int))
    return tuple(f"LABEL_{i}" for i in range(int(files.config.get("num_labels", 2))))


def _transformer_settings(folder: ModelFolder) -> dict[str, Any]:
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"):
        if (folder.path / f"sentence_{kind}_config.json").is_file():
            saved: dict[str, Any] = folder.read(f"sentence_{kind}_config.json")
            return saved
    return {}


def _token_limit(files: _Files) -> int:
    """As sentence-transformers: its own max_seq_length, else the smaller of tokenizer and position table."""
    config, saved = files.config, files.transformer.get("max_seq_length")
    limits = [int(saved)] if saved else []
    if not saved and files.tokenizer:
        limits.append(int(min(files.tokenizer.get("model_max_length") or 10**9, 10**9)))
    positions = config.get("max_position_embeddings")
    if positions:
        # RoBERTa and related models number positions from padding_idx + 1, so two of the table's rows are never used.
        offset = 2 if config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer") else 0
        limits.append(int(positions) - offset)
    return min(limits) if limits else 512


def _window(config: dict[str, Any]) -> int:
    """The window of a language model, prompt and reply together. T5 and related models encode distances and state no
    limit; their limit is the length of their training texts."""
    for key in ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length"):
        if config.get(key):
            return int(config[key])
    return 2_048 if not config.get("is_encoder_decoder") else 512


def _chat(settings: ModelSettings, files: _Files) -> dict[str, Any]:
    """Files that decide how a prompt is written and where a reply ends."""
    file, template = files.folder.path / "chat_template.jinja", files.tokenizer.get("chat_template")
    return {
        "chat_template": file.read_text(encoding="utf-8") if file.is_file() else template,
        "chat_template_options": settings.chat_template_options,
        "ends": files.folder.read("generation_config.json").get("eos_token_id"),
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
    return ModelRef(
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
        labels=_FAKE_LABELS.get(kind, ()),
        **declared(settings),
    )
