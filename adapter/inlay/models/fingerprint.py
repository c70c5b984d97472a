"""A model's identity: SHA-256 over what can change its answers, and nothing else.

Contract: two folders with equal fingerprints return equal answers (up to the arithmetic of device and dtype). File
names, download dates, README files and the truncation and padding kept inside tokenizer.json (which inlay sets
itself) do not count. A change of the format below needs a new FORM, so that old results are never used for it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from inlay.models.cache_folder import cache_folder
from inlay.models.model_folder import read_json

FORM = "model/1"

# Written by the library that saved the model; none of them affects an answer.
_NOT_IDENTITY = {
    "_name_or_path", "transformers_version", "torch_dtype", "dtype", "use_cache", "gradient_checkpointing",
    "architectures", "_attn_implementation", "auto_map", "name_or_path", "is_local", "local_files_only",
    "special_tokens_map_file", "tokenizer_file",
}  # fmt: skip


def model_fingerprint(
    folder: Path,
    weights: tuple[tuple[str, str], ...],
    configuration: Mapping[str, Any],
    pipeline: Mapping[str, Any],
    converted: str | None = None,
) -> str:
    """Hex digest. pipeline: what inlay read or the settings set: pooling, head, token limit. converted: the identity of
    what the folder was converted from, which then stands for all files in it (models/gguf.py)."""
    files = {
        "weights": sorted(digest for _, digest in weights),
        "tokenizer": _tokenizer_digest(folder),
        "config": {key: value for key, value in configuration.items() if key not in _NOT_IDENTITY},
    }
    form = {"form": FORM, "pipeline": pipeline, **(files if converted is None else {"converted": converted})}
    return hashlib.sha256(json.dumps(form, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def weight_digests(folder: Path, files: list[Path]) -> tuple[tuple[str, str], ...]:
    """(path inside the folder, SHA-256) for each file."""
    return tuple((path.relative_to(folder).as_posix(), file_digest(path)) for path in sorted(files))


def file_digest(path: Path) -> str:
    """SHA-256 of a file. Remembered by path, size and time of change, so that 90 MB are not read at every start;
    the bytes that a backend really loads are digested again there."""
    stat = path.stat()
    stamp = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    remembered = cache_folder("digests") / hashlib.sha256(stamp.encode()).hexdigest()
    try:
        digest = remembered.read_text()
        if len(digest) == 64:
            return digest
    except OSError:
        pass
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        remembered.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=remembered.parent, delete=False) as temporary:
            temporary.write(digest)
        Path(temporary.name).replace(remembered)
    except OSError:
        pass  # a read-only home costs time at each start, nothing else
    return digest


def _tokenizer_digest(folder: Path) -> str:
    path = folder / "tokenizer.json"
    if path.is_file():
        return _json_digest(path, {"truncation", "padding"})
    # Without it a tokenizer is built from its vocabulary and these settings (lower case, special tokens and so on).
    described = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
    digests = [
        f"{name}:{_json_digest(folder / name, _NOT_IDENTITY)}" for name in described if (folder / name).is_file()
    ]
    vocabulary = ("vocab.txt", "vocab.json", "merges.txt")
    digests += [file_digest(p) for p in sorted(folder.iterdir()) if p.name in vocabulary or p.suffix == ".model"]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _json_digest(path: Path, without: Set[str]) -> str:
    """SHA-256 of the content of a JSON file, whatever its formatting."""
    stat = path.stat()
    return _json_digest_at(path.resolve(), stat.st_size, stat.st_mtime_ns, frozenset(without))


@functools.cache
def _json_digest_at(path: Path, size_bytes: int, changed_ns: int, without: frozenset[str]) -> str:
    """Each state of a file is read once a process: a tokenizer has half a megabyte, and sessions come and go."""
    content = {key: value for key, value in read_json(path, dict).items() if key not in without}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
