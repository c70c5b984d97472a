"""A folder, here or in object storage, in which whole files appear at once.

Local paths and every address that pyarrow knows (s3://, gs://, hdfs://) go through pyarrow's file systems, any other
address through fsspec, if it is installed. A file is written under a temporary name and renamed; in object storage,
where renaming copies, an object appears whole or not at all as well.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from inlay.errors import ConfigError, MissingExtraError

TEMPORARY = ".tmp-"


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
        found = self._system.get_file_info(fs.FileSelector(self._path(name), allow_not_found=True))
        return sorted(info.base_name for info in found if info.type == wanted)

    def info(self, name: str) -> fs.FileInfo:
        """Size in bytes and time of change; raises FileNotFoundError."""
        found = self._system.get_file_info(self._path(name))
        if found.type == fs.FileType.NotFound:
            raise FileNotFoundError(f"{self.address}/{name}")
        return found

    def exists(self, name: str) -> bool:
        return bool(self._system.get_file_info(self._path(name)).type != fs.FileType.NotFound)

    def open(self, name: str) -> pa.NativeFile:
        return self._system.open_input_file(self._path(name))

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return bytes(file.read())

    def publish(self, name: str, content: bytes | pa.Buffer) -> None:
        """Writes a whole file; whoever looks for it sees all of it or nothing."""
        parent = name.rpartition("/")[0]
        temporary = f"{parent}/{TEMPORARY}{uuid.uuid4().hex}".lstrip("/")
        try:
            try:
                stream = self._system.open_output_stream(self._path(temporary))
            except FileNotFoundError:
                self._system.create_dir(self._path(parent), recursive=True)
                stream = self._system.open_output_stream(self._path(temporary))
            with stream:
                stream.write(content)
            self._system.move(self._path(temporary), self._path(name))
        except BaseException:
            self.delete(temporary)
            raise

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
        self._system.delete_dir(self._path(name))


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
