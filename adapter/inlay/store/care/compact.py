"""Many small parts of a result set become few large ones.

The merged part is published first; the parts that it replaces are deleted later, when no reader can be in them any
more. In between, rows are stored twice, which every reader tolerates. A process that is killed at any moment leaves
the store as it was, or with both, and perhaps a temporary file. No lock: a part that another process stores meanwhile
is not among those that were merged, and two compactions at once produce the same part, or two of which one replaces
the other.

Rows keep their order, oldest part first: inputs that were inferred together are looked up together. Of rows with equal
keys the oldest is kept. A merged part has every key of every part that it replaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from inlay.store.care.gc import GRACE, replaced_parts
from inlay.store.care.survey import PartFile, ResultSetFiles, Wanted, look_at, survey, why_damaged
from inlay.store.folder import Folder
from inlay.store.index import halves
from inlay.store.part_rows import read_columns, read_keys
from inlay.store.part_writer import PartWriter
from inlay.store.parts import DamagedPart, open_part, rows_of_groups

# A part of this many rows is read about as fast as a larger one; a merge takes no more than fits a process easily.
SMALL_ROWS = 100_000
MAX_ROWS = 1_000_000
MAX_BYTES = 256_000_000


@dataclass
class Compacted:
    """merged: parts that went into new ones. deleted: those that are gone now, of this or an earlier compaction.
    waiting: those that will go later. left: (part, why it was not merged or not deleted)."""

    result_set: str
    merged: int = 0
    published: list[str] = field(default_factory=list)
    rows: int = 0
    duplicates: int = 0
    deleted: int = 0
    waiting: int = 0
    set_aside: dict[str, str] = field(default_factory=dict)
    left: list[tuple[str, str]] = field(default_factory=list)


def compact_store(
    store: Folder, wanted: Wanted | None = None, *, now: bool = False, grace: timedelta = GRACE
) -> Iterator[Compacted]:
    """One report per result set that has a manifest. now: delete replaced parts at once, when nobody else uses the
    store. Raises OSError."""
    for result_set in survey(store, wanted):
        if result_set.manifest is not None:
            yield compact_result_set(result_set, grace=timedelta() if now else grace)


def compact_result_set(
    result_set: ResultSetFiles,
    *,
    grace: timedelta = GRACE,
    small_rows: int = SMALL_ROWS,
    max_rows: int = MAX_ROWS,
    max_bytes: int = MAX_BYTES,
) -> Compacted:
    done = Compacted(result_set.name)
    groups, unread = [], set[str]()
    while True:  # again without what was set aside: each part is looked at, and moved away, once at most
        small = [
            part
            for part in result_set.live()
            if part.part.rows < small_rows and part.bytes < max_bytes // 2 and part.name not in unread
        ]
        groups = list(_groups(small, max_rows, max_bytes))
        bad = _damaged(result_set, [part for group in groups for part in group], done)
        if bad <= unread:
            break
        unread |= bad
        result_set = look_at(result_set.folder, result_set.name)
    for group in groups:
        _merge(result_set, group, done)
    _delete_replaced(look_at(result_set.folder, result_set.name), grace, done)
    return done


def _delete_replaced(result_set: ResultSetFiles, grace: timedelta, done: Compacted) -> None:
    until = datetime.now(UTC) - grace if grace else datetime.max.replace(tzinfo=UTC)
    replaced = replaced_parts(result_set, until)
    for part in replaced.over:
        result_set.folder.delete(part.name)
    done.deleted += len(replaced.over)
    done.waiting += replaced.waiting
    done.left += [(name, f"not deleted: {reason}") for name, reason in replaced.kept.items()]


def _damaged(result_set: ResultSetFiles, parts: list[PartFile], done: Compacted) -> set[str]:
    """Names of the parts that are not to be merged; the damaged among them are set aside. Parts are read to their end
    for this, since a merged part no longer shows what was changed in those that it was made of."""
    bad: set[str] = set()
    signed = {part.name: part.part.signature for part in parts}
    for name in [*result_set.damaged, *signed]:
        if name in done.set_aside or any(name == left for left, _ in done.left):
            continue
        try:
            why = why_damaged(result_set.folder, name)
            if not why and signed.get(name, result_set.signature) != result_set.signature:
                why = f"it holds rows of the signature {signed[name][:12]}…, which is not this result set's"
            if why:
                result_set.set_aside(name)
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


def _merge(result_set: ResultSetFiles, group: list[PartFile], done: Compacted) -> None:
    # What these parts replaced themselves may still be there, and is replaced by the new part as well.
    replaces = list(dict.fromkeys([*(part.name for part in group), *(n for part in group for n in part.part.replaces)]))
    newest = max(part.rows_at for part in group).isoformat()
    try:
        files = [open_part(result_set.folder, part.name) for part in group]
        keys = [read_keys(file, part.name) for file, part in zip(files, group, strict=True)]
        kept = _first_of_each(keys)
        schema = group[0].schema
        with PartWriter(result_set.folder, schema, result_set.signature, replaces=replaces, rows_at=newest) as writer:
            for part, file, keep in zip(group, files, kept, strict=True):
                starts = rows_of_groups(file)
                for number in range(file.num_row_groups):
                    table = read_columns(file, part.name, list(schema.names), number)
                    writer.write_rows(table.filter(keep[starts[number] : starts[number + 1]]))
            if writer.rows != sum(int(keep.sum()) for keep in kept):
                raise DamagedPart(f"{writer.rows} rows were read of {sum(map(len, kept))}")
            done.published.append(writer.publish())
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
