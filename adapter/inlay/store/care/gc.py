"""Which files of a store are deleted, by age, by size, by function, or because a compaction replaced them.

First a plan lists every file, then, if the user agrees, they are deleted: a dry run is the plan alone. Each criterion
narrows the choice: the superseded parts of one function, the rows of one signature older than 90 days. Nothing is lost
for good: a deleted answer is inferred again when a statement needs it.

Temporary files older than a day, and result sets without any part, are always in the plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from inlay.store.calls import CALLS
from inlay.store.care.survey import PartFile, ResultSetFiles, Wanted, survey, why_damaged
from inlay.store.care.verify import check_call
from inlay.store.folder import TEMPORARY, Folder
from inlay.store.part_rows import half_keys
from inlay.store.parts import DamagedPart, open_part
from inlay.store.result_set import MANIFEST, QUARANTINE
from inlay.store.results import RESULTS

# How long a reader that began before a compaction may still be reading the parts that it replaced.
GRACE = timedelta(hours=1)
STALE = timedelta(days=1)


@dataclass(frozen=True)
class Criteria:
    """None and False for criteria that were not given. older_than: time since a part's newest row was stored.
    max_bytes: size of the whole store afterwards. superseded: only parts that another part has replaced for longer than
    `grace`."""

    wanted: Wanted = field(default_factory=Wanted)
    older_than: timedelta | None = None
    max_bytes: int | None = None
    superseded: bool = False
    grace: timedelta = GRACE

    def __bool__(self) -> bool:
        return bool(self.wanted) or self.superseded or self.older_than is not None or self.max_bytes is not None


@dataclass(frozen=True)
class Goner:
    """A file to delete. rows: how many are unknown afterwards; none for a part that another one replaces."""

    result_set: str
    name: str
    bytes: int
    rows: int
    why: str


@dataclass
class Plan:
    """files: in the order in which they are deleted. empty: result sets that have no part then. kept: (result set,
    part) → why it is not deleted though it was chosen. waiting: superseded parts whose grace time is not over.
    total_bytes: of all result sets, before."""

    files: list[Goner] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    kept: dict[tuple[str, str], str] = field(default_factory=dict)
    waiting: int = 0
    total_bytes: int = 0

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


@dataclass(frozen=True)
class _Candidate:
    """Files that are deleted together, in this order: a part, and before it those that it replaces."""

    result_set: ResultSetFiles
    files: tuple[Goner, ...]
    at: datetime
    rank: int


def plan_gc(store: Folder, criteria: Criteria, *, now: datetime | None = None) -> Plan:
    """Deletes nothing. Raises OSError, and ConfigError where no result set is of the function or signature."""
    now = now or datetime.now(UTC)
    plan = Plan()
    result_sets = list(survey(store, criteria.wanted))
    every = result_sets if not criteria.wanted or criteria.max_bytes is None else list(survey(store))
    plan.total_bytes = sum(result_set_bytes(result_set) for result_set in every)
    candidates: list[_Candidate] = []
    for result_set in result_sets:
        plan.files += [
            Goner(result_set.name, file.name, file.bytes, 0, "a temporary file that was never finished")
            for file in result_set.temporary
            if now - file.changed_at > STALE
        ]
        candidates += _superseded(result_set, criteria, now, plan) if criteria.superseded else _all_files(result_set)
    if criteria:
        _choose(candidates, criteria, now, plan)
    going = {(file.result_set, file.name) for file in plan.files}
    for result_set in result_sets:
        if _will_be_empty(result_set, going, now):
            plan.empty.append(result_set.name)
    plan.calls = _calls_of(store, set(plan.empty)) if plan.empty else []
    return plan


def result_set_bytes(result_set: ResultSetFiles) -> int:
    return sum(part.bytes for part in result_set.parts) + sum(
        file.bytes
        for files in (result_set.damaged_files, result_set.quarantined, result_set.temporary)
        for file in files
    )


def _choose(candidates: list[_Candidate], criteria: Criteria, now: datetime, plan: Plan) -> None:
    left = plan.total_bytes - plan.bytes
    for candidate in sorted(candidates, key=lambda c: (c.rank, c.at, c.files[-1].name)):
        if criteria.older_than is not None and now - candidate.at <= criteria.older_than:
            continue
        if criteria.max_bytes is not None and left <= criteria.max_bytes:
            break
        plan.files += candidate.files
        left -= sum(file.bytes for file in candidate.files)


def _all_files(result_set: ResultSetFiles) -> list[_Candidate]:
    """What nobody reads comes first where it is about size: rank 0."""
    candidates = [
        _Candidate(result_set, (Goner(result_set.name, name, file.bytes, 0, why),), file.changed_at, 0)
        for name, file, why in (
            *((f"{QUARANTINE}/{file.name}", file, "set aside as damaged") for file in result_set.quarantined),
            *((file.name, file, "damaged") for file in result_set.damaged_files),
        )
    ]
    behind: dict[str, list[PartFile]] = {}
    for name, newer in result_set.superseded().items():
        behind.setdefault(newer.name, []).append(next(part for part in result_set.parts if part.name == name))
    for part in result_set.live():
        files = [Goner(result_set.name, old.name, old.bytes, 0, "superseded") for old in behind.get(part.name, [])]
        files.append(Goner(result_set.name, part.name, part.bytes, part.part.rows, "chosen"))
        candidates.append(_Candidate(result_set, tuple(files), part.rows_at, 1))
    return candidates


def _superseded(result_set: ResultSetFiles, criteria: Criteria, now: datetime, plan: Plan) -> list[_Candidate]:
    replaced = replaced_parts(result_set, now - criteria.grace)
    plan.waiting += replaced.waiting
    plan.kept.update({(result_set.name, name): reason for name, reason in replaced.kept.items()})
    return [
        _Candidate(result_set, (Goner(result_set.name, part.name, part.bytes, 0, "superseded"),), part.rows_at, 0)
        for part in replaced.over
    ]


@dataclass
class Replaced:
    """Parts that another one replaces. over: those that may be deleted. waiting: how many were replaced a moment ago.
    kept: name → why it stays all the same."""

    over: list[PartFile] = field(default_factory=list)
    waiting: int = 0
    kept: dict[str, str] = field(default_factory=dict)


def replaced_parts(result_set: ResultSetFiles, until: datetime) -> Replaced:
    """A part may be deleted where the one that replaces it existed at `until`, is undamaged and has all of its keys."""
    replaced = Replaced()
    by_name = {part.name: part for part in result_set.parts}
    behind: dict[str, list[str]] = {}
    for name, newer in sorted(result_set.superseded().items()):
        behind.setdefault(newer.name, []).append(name)
    for newer_name, names in sorted(behind.items()):
        if by_name[newer_name].changed_at > until:
            replaced.waiting += len(names)
            continue
        keys = _whole_keys(result_set, newer_name)
        for name in names:
            try:
                reason = _why_kept(result_set, name, newer_name, keys)
            except FileNotFoundError:
                continue
            if reason:
                replaced.kept[name] = reason
            else:
                replaced.over.append(by_name[name])
    return replaced


def _why_kept(result_set: ResultSetFiles, name: str, newer: str, keys: frozenset[bytes] | str) -> str:
    """'' for a part that may be deleted. keys: those of the part that replaces it, or why they cannot be read."""
    if isinstance(keys, str):
        return f"{newer}, which replaces it, {keys}"
    try:
        lacks = not _keys(result_set, name) <= keys
    except DamagedPart:
        return ""  # and another part has its rows
    return f"{newer} says that it replaces it, but lacks some of its rows" if lacks else ""


def _whole_keys(result_set: ResultSetFiles, name: str) -> frozenset[bytes] | str:
    try:
        damage = why_damaged(result_set.folder, name)
        return f"is damaged: {damage}" if damage else _keys(result_set, name)
    except (DamagedPart, OSError) as error:
        return f"cannot be read: {error}"


def _keys(result_set: ResultSetFiles, name: str) -> frozenset[bytes]:
    return half_keys(open_part(result_set.folder, name), name)


def _will_be_empty(result_set: ResultSetFiles, going: set[tuple[str, str]], now: datetime) -> bool:
    names = [part.name for part in result_set.parts] + list(result_set.damaged)
    names += [f"{QUARANTINE}/{file.name}" for file in result_set.quarantined]
    names += [file.name for file in result_set.temporary]
    if result_set.unknown or any((result_set.name, name) not in going for name in names):
        return False
    # Whoever begins a result set writes the manifest first, and a moment later the first part.
    return bool(names) or result_set.manifest_changed_at is None or now - result_set.manifest_changed_at > GRACE


def _calls_of(store: Folder, result_sets: set[str]) -> list[str]:
    calls = []
    for name in store.names(CALLS):
        if not name.startswith(TEMPORARY):
            try:
                if check_call(store.read(f"{CALLS}/{name}"), name)[0] in result_sets:
                    calls.append(name)
            except (DamagedPart, FileNotFoundError):
                continue
    return calls


def delete(store: Folder, plan: Plan) -> None:
    """Deletes the files of a plan. A file that is gone already is no error. Raises OSError."""
    for file in plan.files:
        store.delete(f"{RESULTS}/{file.result_set}/{file.name}")
    for name in plan.calls:
        store.delete(f"{CALLS}/{name}")
    for result_set in plan.empty:
        folder = store.inside(f"{RESULTS}/{result_set}")
        # A part that another process stored since the plan was made stays, and its manifest with it.
        if set(folder.names()) <= {MANIFEST} and not folder.names(QUARANTINE):
            folder.delete(MANIFEST)
            store.delete_folder(f"{RESULTS}/{result_set}")
