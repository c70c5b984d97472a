"""What is in a store at this moment: result sets, their parts and any other files in their folders.

Reads manifests and the footers of parts, no rows. Every maintenance command (list, verify, gc, compact, export) begins
here, so all of them agree on which parts count: those that can be read and that no other part replaces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from inlay.errors import ConfigError
from inlay.store.folder import TEMPORARY, FileHere, Folder
from inlay.store.keys import signature
from inlay.store.parts import SUFFIX, DamagedPart, Part, describe_part, open_part, stored_name
from inlay.store.result_set import FORMAT_VERSION as MANIFEST_VERSION
from inlay.store.result_set import MANIFEST, QUARANTINE
from inlay.store.results import MARKER, RESULTS, check_marker, result_set_folder, result_set_name

PART_NAME = re.compile(r"[0-9a-f]{32}" + re.escape(SUFFIX))


@dataclass(frozen=True)
class PartFile:
    """A part and its file. rows_at: when its newest row was stored, which a compaction does not change."""

    part: Part
    bytes: int
    changed_at: datetime
    rows_at: datetime
    schema: pa.Schema

    @property
    def name(self) -> str:
        return self.part.name


@dataclass
class ResultSetFiles:
    """One result set's folder. parts: those that can be opened, oldest rows first. damaged: file → what is wrong."""

    name: str
    folder: Folder
    manifest: Mapping[str, Any] | None = None
    manifest_error: str = ""
    manifest_changed_at: datetime | None = None
    parts: list[PartFile] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    damaged_files: list[FileHere] = field(default_factory=list)
    quarantined: list[FileHere] = field(default_factory=list)
    temporary: list[FileHere] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def function(self) -> str:
        """The function; 'vectors' and 'logits' for what models computed."""
        return self.name.rpartition("-")[0]

    @property
    def signature(self) -> str:
        return str(self.manifest["signature"]) if self.manifest else ""

    @property
    def model(self) -> str:
        about = (self.manifest or {}).get("model")
        return str(about.get("name", "")) if isinstance(about, Mapping) else ""

    def superseded(self) -> dict[str, PartFile]:
        """Part → the part that replaces it."""
        stands: dict[str, PartFile] = {}
        present = {part.name for part in self.parts}
        for part in sorted(self.parts, key=lambda part: (-len(part.part.replaces), part.name)):
            if part.name in stands:
                continue
            replaces = set(part.part.replaces)
            for name in replaces & present - stands.keys() - {part.name}:
                stands[name] = part
            # Two compactions at the same time: the one that merged fewer parts adds nothing.
            for other in self.parts:
                merged = set(other.part.replaces)
                if other.name not in stands and other is not part and merged and merged <= replaces:
                    stands[other.name] = part
        return stands

    def live(self) -> list[PartFile]:
        """The parts that count, oldest rows first."""
        gone = self.superseded()
        return [part for part in self.parts if part.name not in gone]

    def set_aside(self, name: str) -> None:
        """Moves a file to where no reader looks. Raises OSError."""
        self.folder.move(name, f"{QUARANTINE}/{name}")


@dataclass(frozen=True)
class Wanted:
    """Which result sets: of a function, and whose signature begins so; empty for all."""

    function: str = ""
    signature: str = ""

    def __post_init__(self) -> None:
        if self.signature and not re.fullmatch(r"[0-9a-f]{1,64}", self.signature):
            raise ConfigError(
                f"signature is {self.signature!r}; it must be the beginning of one, in hexadecimal digits, as "
                "`inlay store list` prints them after a function's name."
            )

    def __bool__(self) -> bool:
        return bool(self.function or self.signature)

    def matches(self, result_set: str) -> bool:
        function, _, signed = result_set.rpartition("-")
        return function == (self.function.lower() or function) and signed.startswith(self.signature[:32])


def check_store(folder: Folder) -> None:
    """Raises ConfigError where the folder is no store that this version reads."""
    try:
        check_marker(folder.read(MARKER), f"store {folder.address}")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no store at {folder.address}: it has no {MARKER}. Name the folder that a session was given as "
            "store = '…', or type --store FOLDER."
        ) from None
    except OSError as error:
        raise ConfigError(f"store {folder.address}: {MARKER} cannot be read: {error}.") from error


def survey(store: Folder, wanted: Wanted | None = None) -> Iterator[ResultSetFiles]:
    """Every result set, in order of their names. Raises OSError for a store that does not answer, and ConfigError where
    the store has result sets, but none that is wanted."""
    names = store.names(RESULTS, folders=True)
    chosen = [name for name in names if wanted is None or wanted.matches(name)]
    if names and not chosen and wanted:
        choice = " and ".join(
            part
            for part in (
                f"function {wanted.function!r}" if wanted.function else "",
                f"signature {wanted.signature!r}" if wanted.signature else "",
            )
            if part
        )
        functions = sorted({name.rpartition("-")[0] for name in names})
        raise ConfigError(
            f"no result set in {store.address} is of {choice}. There are result sets of: {', '.join(functions)}; "
            "`inlay store list` names them all."
        )
    for name in chosen:
        yield look_at(result_set_folder(store, name), name)


def look_at(folder: Folder, name: str) -> ResultSetFiles:
    result_set = ResultSetFiles(name, folder)
    for file in folder.files():
        if file.name == MANIFEST:
            result_set.manifest_changed_at = file.changed_at
        elif file.name.startswith(TEMPORARY):
            result_set.temporary.append(file)
        elif not file.name.endswith(SUFFIX) or file.name.startswith("."):
            result_set.unknown.append(file.name)
        else:
            _look_at_part(result_set, file)
    result_set.parts.sort(key=lambda part: (part.rows_at, part.name))
    result_set.quarantined = folder.files(QUARANTINE)
    try:
        result_set.manifest = read_manifest(folder.read(MANIFEST), name)
    except FileNotFoundError:
        result_set.manifest_error = f"there is no {MANIFEST}"
    except DamagedPart as error:
        result_set.manifest_error = str(error)
    return result_set


def _look_at_part(result_set: ResultSetFiles, file: FileHere) -> None:
    try:
        opened = open_part(result_set.folder, file.name)
        part = describe_part(file.name, opened)
        rows_at = datetime.fromisoformat(part.rows_at) if part.rows_at else file.changed_at
        if rows_at.tzinfo is None:
            rows_at = rows_at.replace(tzinfo=UTC)
        result_set.parts.append(PartFile(part, file.bytes, file.changed_at, rows_at, opened.schema_arrow))
    except FileNotFoundError:
        return  # compacted away between listing and opening
    except (DamagedPart, ValueError) as error:
        result_set.damaged[file.name] = str(error)
        result_set.damaged_files.append(file)


def why_damaged(folder: Folder, name: str) -> str:
    """What is wrong with a part, '' for nothing: its bytes must match its name, and it must open. Its pages are not
    read. Raises OSError where it cannot be read just now, which is no sign of damage."""
    if stored_name(folder, name) != name:
        return "its bytes do not match its name: it was changed after it was written"
    try:
        describe_part(name, open_part(folder, name))
    except DamagedPart as error:
        return f"it is no part: {error}"
    return ""


def read_manifest(content: bytes, result_set: str) -> Mapping[str, Any]:
    """A manifest that belongs to a result set of this name: its question gives the signature, and that the name. Raises
    DamagedPart."""
    try:
        manifest = json.loads(content)
        version, signed, question = manifest["form"], manifest["signature"], manifest["question"]
        dict(manifest["columns"])
        computed = signature(question)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedPart(f"{MANIFEST} cannot be read: {type(error).__name__}: {error}") from error
    if version != MANIFEST_VERSION:
        raise DamagedPart(
            f"{MANIFEST} is in format version {version!r}; this version of inlay reads {MANIFEST_VERSION!r}"
        )
    if computed != signed:
        raise DamagedPart(
            f"the question in {MANIFEST} gives the signature {computed[:12]}…, but {str(signed)[:12]}… is written there"
        )
    function = question.get("function", result_set.rpartition("-")[0])
    if result_set != result_set_name(str(function), signed):
        raise DamagedPart(f"{MANIFEST} is that of the result set {result_set_name(str(function), signed)}")
    return dict(manifest)
