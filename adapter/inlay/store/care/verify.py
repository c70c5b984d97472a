"""Does a store still say what was put into it?

Checked, from the outside in: the question in a manifest has the result set's signature and its folder's name; the
bytes of every part match its name, and its pages their checksums; its metadata has the result set's signature, and it
has the manifest's columns; keys are 32 bytes; where the inputs are stored with their keys, their digests are the keys;
and each value is one that the question may have, which the caller tests: one of its labels, finite numbers, JSON that
is valid for its schema, a reply that is neither empty nor thoughts. Nothing here can find out whether it is right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from inlay.arrays import Bools
from inlay.store.calls import CALLS, call_file
from inlay.store.care.survey import ResultSetFiles, Wanted, survey, why_damaged
from inlay.store.folder import TEMPORARY, Folder
from inlay.store.index import U64, halves
from inlay.store.keys import input_keys, key_bytes
from inlay.store.part_rows import check_sums, read_columns
from inlay.store.parts import KEY, READ_ERRORS, DamagedPart, Part, describe_part, part_from, shape
from inlay.store.results import RESULT_SET_NAME

# A column that some parts of a result set have and others do not.
INPUTS = "inputs"

# As with_inputs() writes them: texts, or the bytes that are hashed.
_INPUTS = ("list<string>", "list<binary>")

_COLUMN = re.compile(r"[a-z][a-z0-9_]*")


AreAnswers = Callable[[Mapping[str, Any], pa.Table], Bools]
"""Of each row of a result set whether it may be an answer to the question in the manifest."""


@dataclass(frozen=True)
class Checked:
    """A part that is whole. keys: the first eight bytes of each. derived: rows whose inputs gave their key again.
    has_inputs: whether it holds any."""

    part: Part
    keys: U64
    derived: int
    has_inputs: bool


@dataclass
class ResultSetReport:
    """findings: (file, what is wrong). damaged: those of the files that are parts no reader should read. twice: rows
    whose key another row has as well, which is harmless."""

    name: str
    parts: int = 0
    rows: int = 0
    bytes: int = 0
    derived: int = 0
    twice: int = 0
    superseded: int = 0
    quarantined: int = 0
    findings: list[tuple[str, str]] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)


def verify_store(
    store: Folder, are_answers: AreAnswers, wanted: Wanted | None = None, *, quarantine: bool = False
) -> Iterator[ResultSetReport]:
    """One report per result set, and one more named 'calls' about the files there. quarantine: move damaged parts
    away, so that their rows are inferred again. Raises OSError for a store that does not answer."""
    for result_set in survey(store, wanted):
        yield _verify_result_set(result_set, are_answers, quarantine)
    if not wanted:
        yield _verify_calls(store)


def _verify_result_set(result_set: ResultSetFiles, are_answers: AreAnswers, quarantine: bool) -> ResultSetReport:
    report = ResultSetReport(result_set.name, quarantined=len(result_set.quarantined))
    if result_set.manifest is None and (
        result_set.parts or result_set.damaged or "there is no" not in result_set.manifest_error
    ):
        report.findings.append(("", result_set.manifest_error))
    for name in result_set.unknown:
        report.findings.append((name, "is no file of a store"))
    for name, reason in result_set.damaged.items():
        _check_unreadable(result_set, name, reason, report)
    superseded = result_set.superseded()
    keys: list[U64] = []
    for file in result_set.parts:
        report.bytes += file.bytes
        checked = _checked(result_set, file.name, are_answers, report)
        if checked is None:
            continue
        report.parts += 1
        report.derived += checked.derived
        if file.name in superseded:
            report.superseded += 1
        else:
            report.rows += checked.part.rows
            keys.append(checked.keys)
    if keys:
        report.twice = sum(map(len, keys)) - len(np.unique(np.concatenate(keys)))
    if quarantine:
        for name in report.damaged:
            result_set.set_aside(name)
            report.set_aside.append(name)
    return report


def _checked(result_set: ResultSetFiles, name: str, are_answers: AreAnswers, report: ResultSetReport) -> Checked | None:
    """None where the part is gone, damaged or cannot be read; the last two are among the findings then."""
    try:
        if why := why_damaged(result_set.folder, name):
            raise DamagedPart(why)
        with result_set.folder.open(name) as source:
            return check_part(source, name, result_set.name, result_set.manifest, are_answers)
    except FileNotFoundError:
        pass  # compacted away meanwhile
    except OSError as error:
        report.findings.append((name, f"cannot be read: {error}"))
    except DamagedPart as error:
        report.findings.append((name, str(error)))
        report.damaged.append(name)
    return None


def _check_unreadable(result_set: ResultSetFiles, name: str, reason: str, report: ResultSetReport) -> None:
    """A file system that fails for a moment is no damage, so the bytes are asked once more."""
    try:
        why = why_damaged(result_set.folder, name)
    except FileNotFoundError:
        return
    except OSError as error:
        report.findings.append((name, f"cannot be read: {error}"))
        return
    if why:
        report.findings.append((name, why))
        report.damaged.append(name)
    else:
        report.findings.append((name, f"did not read at first and does now: {reason}"))


def check_part(
    source: pa.NativeFile, name: str, result_set: str, manifest: Mapping[str, Any] | None, are_answers: AreAnswers
) -> Checked:
    """Reads all of a part, a row group at a time. Its name is the caller's to check. Raises DamagedPart."""
    file = part_from(source, name)
    part = describe_part(name, file)
    expected = str(manifest["signature"]) if manifest else result_set.rpartition("-")[2]
    if not part.signature.startswith(expected):
        raise DamagedPart(f"it holds rows of the signature {part.signature[:12]}…, which is not this result set's")
    schema = file.schema_arrow
    if schema.field("key").type != KEY.type:
        raise DamagedPart(f"its keys are {schema.field('key').type}, not 32 bytes")
    if manifest:
        _check_columns(schema, manifest["columns"])
    check_sums(source, file, name)
    keys, derived = [], 0
    for group in range(file.num_row_groups):
        table = read_columns(file, name, list(schema.names), group)
        try:
            table.validate(full=True)
        except READ_ERRORS as error:
            raise DamagedPart(f"its columns are not what they say: {error}") from error
        if table["key"].null_count:
            raise DamagedPart(f"{table['key'].null_count} of its rows have no key")
        group_keys = key_bytes(table["key"])
        keys.append(halves(group_keys)[0])
        if manifest and (n := _count_no_answers(table, manifest, are_answers)):
            raise DamagedPart(f"{n:,} of its {len(table):,} rows hold what is no answer to its question")
        if INPUTS in schema.names:
            derived += _derive(group_keys, table[INPUTS].to_pylist())
    joined = np.concatenate(keys) if keys else np.zeros(0, dtype=np.uint64)
    return Checked(part, joined, derived, INPUTS in schema.names)


def _count_no_answers(rows: pa.Table, manifest: Mapping[str, Any], are_answers: AreAnswers) -> int:
    """Raises DamagedPart for a question that says something else than questions do."""
    try:
        return len(rows) - int(are_answers(manifest, rows).sum())
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # what the question of a manifest may lack
        raise DamagedPart(
            f"its manifest does not say what its answers may be: {type(error).__name__}: {error}"
        ) from error


def _check_columns(schema: pa.Schema, columns: Mapping[str, str]) -> None:
    has = {field.name: shape(str(field.type)) for field in schema if field.name not in ("key", INPUTS)}
    expected = {name: shape(str(kind)) for name, kind in columns.items() if name != INPUTS}
    if has != expected:
        raise DamagedPart(f"it has the columns {has}, but the manifest says {expected}")
    if INPUTS in schema.names and shape(str(schema.field(INPUTS).type)) not in _INPUTS:
        raise DamagedPart(f"its inputs are {schema.field(INPUTS).type}, not a list of texts or of their bytes")


def _derive(keys: np.ndarray[Any, np.dtype[np.uint8]], inputs: list[list[str | bytes] | None]) -> int:
    """Number of rows whose inputs give their key; rows without inputs are passed over. Raises DamagedPart."""
    kept = [i for i, row in enumerate(inputs) if row and None not in row]
    by_width: dict[int, list[int]] = {}
    for i in kept:
        by_width.setdefault(len(inputs[i] or ()), []).append(i)
    for rows in by_width.values():
        columns = zip(*(inputs[i] or () for i in rows), strict=True)
        for i, key in zip(rows, input_keys(columns), strict=True):
            if keys[i].tobytes() != key:
                raise DamagedPart(f"the inputs of a row do not give its key {keys[i].tobytes().hex()[:12]}…")
    return len(kept)


def _verify_calls(store: Folder) -> ResultSetReport:
    report = ResultSetReport(CALLS)
    for name in store.names(CALLS):
        if name.startswith(TEMPORARY):
            continue
        report.parts += 1
        try:
            check_call(store.read(f"{CALLS}/{name}"), name)
        except FileNotFoundError:
            continue
        except DamagedPart as error:
            report.findings.append((name, str(error)))
    return report


def check_call(content: bytes, name: str) -> tuple[str, list[str]]:
    """The result set that a file in calls/ names, and its columns: both become SQL, so nothing but names is accepted.
    Raises DamagedPart."""
    try:
        entry = json.loads(content)
        result_set, columns = entry["shelf"], entry["columns"]
        named = call_file(json.dumps(entry["call"], sort_keys=True))
        if not (RESULT_SET_NAME.fullmatch(result_set) and isinstance(entry["model"], str)):
            raise ValueError(f"{result_set!r} is no name of a result set")
        if not (isinstance(columns, list) and all(_COLUMN.fullmatch(column) for column in columns)):
            raise ValueError(f"{columns!r} are no names of columns")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedPart(
            f"it does not say which result set answers which call: {type(error).__name__}: {error}"
        ) from error
    if named != f"{CALLS}/{name}":
        raise DamagedPart(f"the call that it holds belongs into {named}")
    return result_set, columns
