"""A folder, here or in object storage, in which whole files appear at once.

Local paths and every address that pyarrow knows (s3://, gs://, hdfs://) go through pyarrow's file systems, any other
address through fsspec, if it is installed. A file is written under a temporary name and renamed; in object storage,
where renaming copies, an object appears whole or not at all as well.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from inlay.errors import ConfigError, MissingExtraError

TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class FileHere:
    """A file directly in a folder. changed_at is this moment where the file system does not tell."""

    name: str
    bytes: int
    changed_at: datetime


class Folder:
    """Paths are relative to the folder, with / between the parts. Methods raise OSError."""

    def __init__(self, system: fs.FileSystem, base: str, address: str) -> None:
        self._system = system
        self._base = base
        self.address = address
        """As SQL reads it: a local path, or the address with its scheme."""

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def inside(self, name: str) -> Folder:
        return Folder(self._system, self._path(name), f"{self.address}/{name}")

    def create(self) -> None:
        self._system.create_dir(self._base, recursive=True)

    def names(self, name: str = "", *, folders: bool = False) -> list[str]:
        """Names of the files (or folders) directly in a folder, in order; none where there is no such folder."""
        wanted = fs.FileType.Directory if folders else fs.FileType.File
        return sorted(info.base_name for info in self._infos(name) if info.type == wanted)

    def files(self, name: str = "") -> list[FileHere]:
        """The files directly in a folder, in order of their names; none where there is no such folder."""
        infos = [info for info in self._infos(name) if info.type == fs.FileType.File]
        here = [FileHere(info.base_name, info.size or 0, self._changed_at(info)) for info in infos]
        return sorted(here, key=lambda file: file.name)

    def _infos(self, name: str) -> Sequence[fs.FileInfo]:
        behind = self._fsspec
        if behind is not None:
            behind.invalidate_cache()  # many of its file systems remember a listing, and would miss others' parts
        try:
            return list(self._system.get_file_info(fs.FileSelector(self._path(name), allow_not_found=True)))
        except FileNotFoundError:  # made or deleted by another between pyarrow's look and its listing
            return []

    @property
    def _fsspec(self) -> Any:
        """The file system of fsspec that is behind this folder; None where pyarrow's own is."""
        if isinstance(self._system, fs.PyFileSystem) and isinstance(self._system.handler, fs.FSSpecHandler):
            return self._system.handler.fs
        return None

    def _changed_at(self, info: fs.FileInfo) -> datetime:
        changed_at: datetime | None = info.mtime
        if changed_at is None and self._fsspec is not None:
            try:  # pyarrow looks for `mtime` alone, which only some of fsspec's file systems call it
                changed_at = self._fsspec.modified(info.path)
            except (NotImplementedError, KeyError, OSError):
                changed_at = None
        if changed_at is None:
            return datetime.now(UTC)
        return changed_at if changed_at.tzinfo else changed_at.replace(tzinfo=UTC)

    def info(self, name: str) -> fs.FileInfo:
        """Size in bytes and time of change; raises FileNotFoundError."""
        info = self._system.get_file_info(self._path(name))
        if info.type == fs.FileType.NotFound:
            raise FileNotFoundError(f"{self.address}/{name}")
        return info

    def exists(self, name: str) -> bool:
        return bool(self._system.get_file_info(self._path(name)).type != fs.FileType.NotFound)

    def open(self, name: str) -> pa.NativeFile:
        return self._system.open_input_file(self._path(name))

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return bytes(file.read())

    def publish(self, name: str, content: bytes | pa.Buffer, *, private: bool = False) -> None:
        """Writes a whole file; whoever looks for it sees all of it or nothing. private: on a local file system only its
        owner can read it."""
        with self.draft(name.rpartition("/")[0]) as draft:
            if private:
                draft.make_private()
            draft.write(content)
            draft.publish(name)

    def draft(self, under: str = "") -> Draft:
        """A file to be written piece by piece; `under` is the folder in which it will appear."""
        return Draft(self, f"{under}/{TEMPORARY}{uuid.uuid4().hex}".lstrip("/"))

    def output(self, name: str) -> pa.NativeFile:
        try:
            return self._system.open_output_stream(self._path(name))
        except FileNotFoundError:
            self._system.create_dir(self._path(name.rpartition("/")[0]), recursive=True)
            return self._system.open_output_stream(self._path(name))

    def make_private(self, name: str) -> None:
        """On a local file system; an object store has rights of its own."""
        if isinstance(self._system, fs.LocalFileSystem):
            Path(self._path(name)).chmod(0o600)

    def move(self, name: str, to: str) -> None:
        parent = to.rpartition("/")[0]
        if parent:
            self._system.create_dir(self._path(parent), recursive=True)
        self._system.move(self._path(name), self._path(to))

    def delete(self, name: str) -> None:
        """Nothing happens where there is no such file."""
        try:
            self._system.delete_file(self._path(name))
        except OSError:
            if self.exists(name):
                raise

    def delete_folder(self, name: str) -> None:
        """With all that is in it. An object store has no folder without files, so none is no error."""
        with contextlib.suppress(FileNotFoundError):
            self._system.delete_dir(self._path(name))


class Draft:
    """A file under a temporary name, for anything that writes to Python files. Used with `with`: what was not published
    by the end is deleted. A killed process leaves it behind; `inlay store gc` deletes it a day later."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._published = False
        try:
            self._stream = folder.output(name)
        except BaseException:
            folder.delete(name)
            raise

    @property
    def closed(self) -> bool:
        return bool(self._stream.closed)

    def write(self, data: bytes | memoryview | pa.Buffer) -> int:
        return int(self._stream.write(data) or 0)

    def flush(self) -> None:
        self._stream.flush()

    def make_private(self) -> None:
        self._folder.make_private(self._name)

    def publish(self, name: str) -> None:
        """name: relative to the folder, like the draft's own."""
        self._stream.close()
        self._folder.move(self._name, name)
        self._published = True

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._published:
            with contextlib.suppress(OSError):  # what failed before is the error to tell
                self._stream.close()
            self._folder.delete(self._name)


def open_folder(address: str) -> Folder:
    """Raises ConfigError for an address that no installed file system reads."""
    if "://" not in address:
        path = Path(address).expanduser().resolve()
        return Folder(fs.LocalFileSystem(), str(path), str(path))
    address = address.rstrip("/")
    try:
        system, base = fs.FileSystem.from_uri(address)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        system, base = _through_fsspec(address)
    return Folder(system, base, address)


def _through_fsspec(address: str) -> tuple[fs.FileSystem, str]:
    try:
        import fsspec
    except ImportError:
        raise MissingExtraError(
            f"a store at {address} needs the package 'fsspec', which is not installed. Type: pip install fsspec"
        ) from None
    try:
        system, base = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise ConfigError(f"store is {address!r}, which no installed file system reads: {error}.") from error
    handled: Any = fs.PyFileSystem(fs.FSSpecHandler(system))
    return handled, str(base).rstrip("/")
