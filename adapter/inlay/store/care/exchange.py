"""A store's results as a tar file, and back; or from one store into another.

Exported are the marker, manifests, the parts that count, and calls/; not the ledger, the errors, damaged parts and
those that another part replaces.

Names in a tar are whatever its author wrote. Before anything is imported, every member must be a plain file with one of
the five kinds of names that a store has; paths are then built anew from the recognised names. A manifest's signature
must follow from its question and a part's name from its bytes, all pages of a part must be readable, and each value one
that the question may have. None of this proves that the answers are right: import results only from people whose models
you would trust as well.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from inlay.errors import ConfigError
from inlay.store.calls import CALLS
from inlay.store.care.survey import (
    PART_NAME,
    ResultSetFiles,
    Wanted,
    check_store,
    read_manifest,
    survey,
)
from inlay.store.care.verify import AreAnswers, check_call, check_part
from inlay.store.folder import TEMPORARY, Draft, Folder
from inlay.store.part_rows import half_keys
from inlay.store.parts import (
    READ_ERRORS,
    DamagedPart,
    Part,
    describe_part,
    open_part,
    part_from,
    part_name,
    part_names,
)
from inlay.store.result_set import MANIFEST
from inlay.store.results import MARKER, MARKER_CONTENT, RESULT_SET_NAME, RESULTS, check_marker

_CALL_NAME = re.compile(r"[0-9a-f]{32}\.json")
_FOLDERS = re.compile(rf"\.?/?(?:{RESULTS}(?:/{RESULT_SET_NAME.pattern})?|{CALLS})?/?")

# A manifest or a call of this size would have some hundred thousand labels.
_MAX_TEXT_BYTES = 16_000_000


@dataclass(frozen=True)
class Item:
    """One file of a store in transit. result_set: '' for the marker and calls. name: without its folder."""

    result_set: str
    name: str
    content: bytes | pa.Buffer
    changed_at: datetime

    @property
    def path(self) -> str:
        if self.result_set:
            return f"{RESULTS}/{self.result_set}/{self.name}"
        return self.name if self.name == MARKER else f"{CALLS}/{self.name}"


@dataclass
class Sent:
    result_sets: int = 0
    parts: int = 0
    rows: int = 0
    bytes: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Taken:
    """refused: (file, why) of damaged files. here: parts whose rows the store had already."""

    result_sets: int = 0
    new_result_sets: int = 0
    parts: int = 0
    rows: int = 0
    bytes: int = 0
    here: int = 0
    calls: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def read_store(store: Folder, sent: Sent, wanted: Wanted | None = None) -> Iterator[Item]:
    """The files of a store to export, each manifest before its parts. Counts in `sent` the files yielded, and those
    left out because they are damaged. Raises ConfigError for a folder that is no store."""
    check_store(store)
    now = datetime.now(UTC)
    yield Item("", MARKER, MARKER_CONTENT, now)
    result_sets = set()
    for result_set in survey(store, wanted):
        if result_set.manifest is None:
            if result_set.parts:
                sent.left.append((result_set.name, result_set.manifest_error))
            continue
        sent.left += [(f"{result_set.name}/{name}", reason) for name, reason in result_set.damaged.items()]
        began = False
        for item in _read_parts(result_set, sent):
            if not began:
                yield Item(
                    result_set.name, MANIFEST, result_set.folder.read(MANIFEST), result_set.manifest_changed_at or now
                )
                began = True
                sent.result_sets += 1
                result_sets.add(result_set.name)
            yield item
    for name in store.names(CALLS):
        try:
            content = store.read(f"{CALLS}/{name}")
            if not name.startswith(TEMPORARY) and check_call(content, name)[0] in result_sets:
                yield Item("", name, content, now)
        except (DamagedPart, FileNotFoundError):
            continue


def _read_parts(result_set: ResultSetFiles, sent: Sent) -> Iterator[Item]:
    behind: dict[str, list[str]] = {}
    for name, newer in result_set.superseded().items():
        behind.setdefault(newer.name, []).append(name)
    by_name = {part.name: part for part in result_set.parts}
    waiting = [part.name for part in reversed(result_set.live())]
    while waiting:
        part = by_name[waiting.pop()]
        try:
            with result_set.folder.open(part.name) as file:
                content = file.read_buffer()
        except FileNotFoundError:
            continue  # compacted away meanwhile; the part that replaced it is sent another time
        if part_name(content) != part.name:
            sent.left.append((f"{result_set.name}/{part.name}", "its bytes do not match its name"))
            waiting += behind.get(part.name, [])
            continue
        sent.parts += 1
        sent.rows += part.part.rows
        sent.bytes += part.bytes
        yield Item(result_set.name, part.name, content, part.changed_at)


def write_tar(target: Draft, items: Iterable[Item]) -> None:
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for item in items:
            member = tarfile.TarInfo(item.path)
            member.size = len(item.content)
            member.mtime = int(item.changed_at.timestamp())
            tar.addfile(member, io.BytesIO(item.content))


def read_tar(open_it: Callable[[], Any], where: str) -> Iterator[Item]:
    """Raises ConfigError, before the first item, if any member is no file of a store."""
    try:
        with open_it() as source, tarfile.open(fileobj=source, mode="r:") as tar:
            known = [(member, *_recognised(member, where)) for member in tar.getmembers()]
            # tarfile takes a header that is cut, or any damage in its place, for the end of the file.
            source.seek(tar.offset)
            end = source.read(tarfile.RECORDSIZE)
            if len(end) < tarfile.BLOCKSIZE or end.strip(tarfile.NUL):
                raise tarfile.ReadError("it was cut short or damaged")
            if not any(name == MARKER for _, _, name in known):
                raise ConfigError(
                    f"{where} is no exported store: it has no {MARKER}. Make one with `inlay store export FILE.tar`."
                )
            for member, result_set, name in known:
                content = tar.extractfile(member) if name else None
                if content is not None:
                    yield Item(result_set, name, content.read(), datetime.fromtimestamp(member.mtime, UTC))
    except tarfile.TarError as error:
        raise ConfigError(
            f"{where} cannot be read as a tar file: {error}. Nothing was taken in. Only a plain .tar is read; unpack "
            ".tar.gz first."
        ) from error


def _recognised(member: tarfile.TarInfo, where: str) -> tuple[str, str]:
    """(result set, name) of a member, '' and '' for a folder. Raises ConfigError."""
    if member.isdir() and _FOLDERS.fullmatch(member.name):
        return "", ""
    result_set, name = _named(member.name.removeprefix("./"))
    if not name or member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        kind = "a link or a special file" if name else "not the name of a file of a store"
        raise ConfigError(
            f"{where} has a member {member.name!r}, which is {kind}. Nothing was taken in. Make the file with "
            "`inlay store export FILE.tar`, which writes results alone."
        )
    if not name.endswith(".parquet") and member.size > _MAX_TEXT_BYTES:
        raise ConfigError(f"{where} has a member {member.name!r} of {member.size:,} bytes. Nothing was taken in.")
    return result_set, name


def _named(path: str) -> tuple[str, str]:
    """(result set, name) of a path that a store can have, otherwise '' and ''."""
    match path.split("/"):
        case [name] if name == MARKER:
            return "", name
        case [folder, name] if folder == CALLS and _CALL_NAME.fullmatch(name):
            return "", name
        case [folder, result_set, name] if folder == RESULTS and RESULT_SET_NAME.fullmatch(result_set):
            if name == MANIFEST or PART_NAME.fullmatch(name):
                return result_set, name
    return "", ""


def take_in(store: Folder, items: Iterable[Item], are_answers: AreAnswers, wanted: Wanted | None = None) -> Taken:
    """Stores what the store lacks. No file is overwritten, and importing twice changes nothing more. A damaged file is
    refused, and the others are taken. Raises OSError where the store cannot be written to, and ConfigError for items of
    a store in another format version."""
    taken = Taken()
    manifests: dict[str, Mapping[str, Any] | None] = {}
    fresh: dict[str, bytes] = {}
    known: dict[str, set[str]] = {}
    for item in items:
        if item.result_set and wanted is not None and not wanted.matches(item.result_set):
            continue
        content = bytes(item.content) if item.result_set == "" or item.name == MANIFEST else b""
        if item.name == MARKER:
            check_marker(content, "the store to be imported")
        elif not item.result_set:
            _take_call(store, item.name, content, manifests, taken)
        elif item.name == MANIFEST:
            if manifests.get(item.result_set) is None:
                manifests[item.result_set] = _manifest(store, item, content, fresh, taken)
        elif manifests.get(item.result_set) is None:
            reason = (
                "its result set has no manifest that reads"
                if item.result_set in manifests
                else "it comes before a manifest"
            )
            taken.refused.append((item.path, reason))
        else:
            _take_part(store, item, manifests[item.result_set], are_answers, fresh, known, taken)
    taken.result_sets = len(known)
    return taken


def _manifest(
    store: Folder, item: Item, content: bytes, fresh: dict[str, bytes], taken: Taken
) -> Mapping[str, Any] | None:
    """The manifest that the parts are checked against: the store's own, where it has one."""
    try:
        offered = read_manifest(content, item.result_set)
    except DamagedPart as error:
        taken.refused.append((item.path, str(error)))
        return None
    try:
        return read_manifest(store.read(item.path), item.result_set)
    except FileNotFoundError:
        fresh[item.result_set] = content
        return offered
    except DamagedPart as error:
        taken.refused.append((item.path, f"the store's own manifest is damaged, and is not written over: {error}"))
        return None


def _take_part(
    store: Folder,
    item: Item,
    manifest: Mapping[str, Any] | None,
    are_answers: AreAnswers,
    fresh: dict[str, bytes],
    known: dict[str, set[str]],
    taken: Taken,
) -> None:
    result_set = store.inside(f"{RESULTS}/{item.result_set}")
    here = known.get(item.result_set)
    if here is None:
        here = known[item.result_set] = _names_here(result_set)
    if item.name in here:
        taken.here += 1
        return
    try:
        if part_name(item.content) != item.name:
            raise DamagedPart("its bytes do not match its name")
        checked = check_part(pa.BufferReader(item.content), item.name, item.result_set, manifest, are_answers)
        _check_replaced(result_set, item, checked.part)
    except DamagedPart as error:
        taken.refused.append((item.path, str(error)))
        return
    if item.result_set in fresh:
        result_set.publish(MANIFEST, fresh.pop(item.result_set))
        taken.new_result_sets += 1
    result_set.publish(item.name, item.content, private=checked.has_inputs)
    here.add(item.name)
    taken.parts += 1
    taken.rows += checked.part.rows
    taken.bytes += len(item.content)


def _check_replaced(result_set: Folder, item: Item, part: Part) -> None:
    """Readers skip the parts that a part replaces, so it must have all rows of those that are here. Raises
    DamagedPart."""
    for name in part.replaces:
        if PART_NAME.fullmatch(name) and result_set.exists(name):
            try:
                lacks = half_keys(open_part(result_set, name), name) - half_keys(
                    part_from(pa.BufferReader(item.content), item.name), item.name
                )
            except (DamagedPart, FileNotFoundError):
                continue
            if lacks:
                raise DamagedPart(f"it says that it replaces {name}, but lacks {len(lacks):,} of its rows")


def _names_here(result_set: Folder) -> set[str]:
    """Parts whose rows are here: those in the folder, and those that a compacted one among them replaces."""
    names = set()
    for name in part_names(result_set):
        try:
            names |= {name, *describe_part(name, open_part(result_set, name)).replaces}
        except (DamagedPart, *READ_ERRORS):
            continue
    return names


def _take_call(
    store: Folder, name: str, content: bytes, manifests: Mapping[str, Mapping[str, Any] | None], taken: Taken
) -> None:
    try:
        result_set, columns = check_call(content, name)
        manifest = manifests.get(result_set)
        if manifest is None:
            return  # it leads to a result set that was not asked for, or was refused
        if not set(columns) <= set(manifest["columns"]):
            raise DamagedPart(f"its result set has no columns {', '.join(columns)}")
    except DamagedPart as error:
        taken.refused.append((f"{CALLS}/{name}", str(error)))
        return
    if not store.exists(f"{CALLS}/{name}"):
        store.publish(f"{CALLS}/{name}", content)
        taken.calls += 1
