"""Many small parts of a shelf become few large ones.

The merged part is published first; only later, when no reader can be in them any more, are the parts deleted that it
stands for. Between the two, rows are there twice, which every reader bears. A process that is killed at any moment
leaves the store as it was, or with both, and perhaps a temporary file. No lock: a part that another process stores
meanwhile is not among those that were merged, and two compactions at once produce the same part, or two of which one
stands for the other.

Rows keep their order, oldest part first: inputs that were inferred together are asked for together. Of rows with equal
keys the oldest stays. A merged part has every key of every part that it replaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from inlay.store.care.gc import GRACE, replaced_parts
from inlay.store.care.survey import PartFile, ShelfFiles, Wanted, look_at, survey, why_damaged
from inlay.store.folder import Folder
from inlay.store.index import halves
from inlay.store.parts import DamagedPart, PartWriter, key_bytes, open_part, read_columns, rows_of_groups

# A part of this many rows is read about as fast as a larger one; a merge takes no more than fits a process easily.
SMALL_ROWS = 100_000
MAX_ROWS = 1_000_000
MAX_BYTES = 256_000_000


@dataclass
class Compacted:
    """merged: parts that went into new ones. deleted: those that are gone now, of this or an earlier compaction.
    waiting: those that will go later. left: (part, why it was not merged or not deleted)."""

    shelf: str
    merged: int = 0
    made: list[str] = field(default_factory=list)
    rows: int = 0
    duplicates: int = 0
    deleted: int = 0
    waiting: int = 0
    set_aside: dict[str, str] = field(default_factory=dict)
    left: list[tuple[str, str]] = field(default_factory=list)


def compact_store(
    store: Folder, wanted: Wanted | None = None, *, now: bool = False, grace: timedelta = GRACE
) -> Iterator[Compacted]:
    """One report per shelf that has a manifest. now: delete replaced parts at once, when nobody else uses the store.
    Raises OSError."""
    for shelf in survey(store, wanted):
        if shelf.manifest is not None:
            yield compact_shelf(shelf, grace=timedelta() if now else grace)


def compact_shelf(
    shelf: ShelfFiles,
    *,
    grace: timedelta = GRACE,
    small_rows: int = SMALL_ROWS,
    max_rows: int = MAX_ROWS,
    max_bytes: int = MAX_BYTES,
) -> Compacted:
    done = Compacted(shelf.name)
    groups, unread = [], set[str]()
    while True:  # again without what was set aside: each part is looked at, and moved away, once at most
        small = [
            part
            for part in shelf.live()
            if part.part.rows < small_rows and part.bytes < max_bytes // 2 and part.name not in unread
        ]
        groups = list(_groups(small, max_rows, max_bytes))
        bad = _damaged(shelf, [part for group in groups for part in group], done)
        if bad <= unread:
            break
        unread |= bad
        shelf = look_at(shelf.folder, shelf.name)
    for group in groups:
        _merge(shelf, group, done)
    _delete_replaced(look_at(shelf.folder, shelf.name), grace, done)
    return done


def _delete_replaced(shelf: ShelfFiles, grace: timedelta, done: Compacted) -> None:
    until = datetime.now(UTC) - grace if grace else datetime.max.replace(tzinfo=UTC)
    stands = shelf.superseded()
    for part, kept in replaced_parts(shelf, until):
        if not kept:
            shelf.folder.delete(part.name)
            done.deleted += 1
        elif stands[part.name].changed_at > until:
            done.waiting += 1
        else:
            done.left.append((part.name, f"not deleted: {kept}"))


def _damaged(shelf: ShelfFiles, parts: list[PartFile], done: Compacted) -> set[str]:
    """Names of the parts that are not to be merged; the damaged among them are set aside. Parts are read to their end
    for this, since a merged part no longer shows what was changed in those that it was made of."""
    bad: set[str] = set()
    signed = {part.name: part.part.signature for part in parts}
    for name in [*shelf.damaged, *signed]:
        if name in done.set_aside or any(name == left for left, _ in done.left):
            continue
        try:
            why = why_damaged(shelf.folder, name)
            if not why and signed.get(name, shelf.signature) != shelf.signature:
                why = f"it holds rows of the signature {signed[name][:12]}…, which is not this shelf's"
            if why:
                shelf.set_aside(name)
                done.set_aside[name] = why
                bad.add(name)
        except FileNotFoundError:
            bad.add(name)
        except OSError as error:
            done.left.append((name, f"cannot be read: {error}"))
            bad.add(name)
    return bad


def _groups(parts: list[PartFile], max_rows: int, max_bytes: int) -> Iterator[list[PartFile]]:
    """Runs of parts, oldest first, that become one part each. Only parts of one schema can."""
    by_schema: list[tuple[PartFile, list[PartFile]]] = []
    for part in parts:
        same = next((group for first, group in by_schema if first.schema.equals(part.schema)), None)
        if same is None:
            by_schema.append((part, [part]))
        else:
            same.append(part)
    for _, alike in by_schema:
        group: list[PartFile] = []
        rows = n_bytes = 0
        for part in alike:
            if group and (rows + part.part.rows > max_rows or n_bytes + part.bytes > max_bytes):
                if len(group) > 1:
                    yield group
                group, rows, n_bytes = [], 0, 0
            group.append(part)
            rows, n_bytes = rows + part.part.rows, n_bytes + part.bytes
        if len(group) > 1:
            yield group


def _merge(shelf: ShelfFiles, group: list[PartFile], done: Compacted) -> None:
    # What these parts replaced themselves may still be there, and is replaced by the new part as well.
    replaces = list(dict.fromkeys([*(part.name for part in group), *(n for part in group for n in part.part.replaces)]))
    newest = max(part.rows_at for part in group).isoformat()
    try:
        files = [open_part(shelf.folder, part.name) for part in group]
        keys = [
            key_bytes(read_columns(file, part.name, ["key"])["key"]) for file, part in zip(files, group, strict=True)
        ]
        kept = _first_of_each(keys)
        schema = group[0].schema
        with PartWriter(shelf.folder, schema, shelf.signature, replaces=replaces, rows_at=newest) as writer:
            for part, file, keep in zip(group, files, kept, strict=True):
                starts = rows_of_groups(file)
                for number in range(file.num_row_groups):
                    table = read_columns(file, part.name, list(schema.names), [number])
                    writer.write_rows(table.filter(keep[starts[number] : starts[number + 1]]))
            if writer.rows != sum(int(keep.sum()) for keep in kept):
                raise DamagedPart(f"{writer.rows} rows were read of {sum(map(len, kept))}")
            done.made.append(writer.publish())
    except (DamagedPart, FileNotFoundError) as error:  # gone: another compaction was faster
        done.left += [(part.name, f"not merged: {error}") for part in group]
        return
    done.merged += len(group)
    done.rows += writer.rows
    done.duplicates += sum(map(len, kept)) - writer.rows


def _first_of_each(keys: list[npt.NDArray[np.uint8]]) -> list[npt.NDArray[np.bool_]]:
    """Per part, which rows stay: those whose key no row before them has."""
    joined = np.concatenate(keys)
    short, _ = halves(joined)
    order = np.argsort(short, kind="stable")
    near = np.flatnonzero(short[order[1:]] == short[order[:-1]])
    same = near[(joined[order[near + 1]] == joined[order[near]]).all(axis=1)]
    stays = np.ones(len(joined), dtype=np.bool_)
    stays[order[same + 1]] = False
    return np.split(stays, np.cumsum([len(part) for part in keys])[:-1])
