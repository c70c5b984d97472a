"""Which files of a store go, by age, by size, by function, or because a compaction stands for them.

First a plan that names every file, then, if its reader agrees, the deletion: a plan is all that a dry run is. What is
given narrows what is chosen: the superseded parts of one function, the rows of one signature older than 90 days.
Nothing that goes is lost for good: it is inferred again when it is asked for.

Always in a plan, since nobody misses them: temporary files older than a day, and result sets without any part.
"""

from __future__ import annotations

from collections.abc import Callable
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
    """None and False for what was not asked. older_than: since a part's newest row was stored. max_bytes: what the
    whole store may take afterwards. superseded: only what another part stands for, and has for longer than `grace`."""

    wanted: Wanted = field(default_factory=Wanted)
    older_than: timedelta | None = None
    max_bytes: int | None = None
    superseded: bool = False
    grace: timedelta = GRACE

    def __bool__(self) -> bool:
        return bool(self.wanted) or self.superseded or self.older_than is not None or self.max_bytes is not None


@dataclass(frozen=True)
class Goner:
    """A file that is to go. rows: how many of them are then unknown; none for what another part stands for."""

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
    """Files that go together, in this order: a part, and before it those that it stands for."""

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
    found = [
        _Candidate(result_set, (Goner(result_set.name, name, file.bytes, 0, why),), file.changed_at, 0)
        for name, file, why in (
            *((f"{QUARANTINE}/{file.name}", file, "set aside as damaged") for file in result_set.quarantined),
            *((file.name, file, "damaged") for file in result_set.damaged_files),
        )
    ]
    behind: dict[str, list[PartFile]] = {}
    for name, stands in result_set.superseded().items():
        behind.setdefault(stands.name, []).append(next(part for part in result_set.parts if part.name == name))
    for part in result_set.live():
        files = [Goner(result_set.name, old.name, old.bytes, 0, "superseded") for old in behind.get(part.name, [])]
        files.append(Goner(result_set.name, part.name, part.bytes, part.part.rows, "chosen"))
        found.append(_Candidate(result_set, tuple(files), part.rows_at, 1))
    return found


def _superseded(result_set: ResultSetFiles, criteria: Criteria, now: datetime, plan: Plan) -> list[_Candidate]:
    found = []
    until = now - criteria.grace
    stands = result_set.superseded()
    for part, kept in replaced_parts(result_set, until):
        if kept and stands[part.name].changed_at > until:
            plan.waiting += 1
        elif kept:
            plan.kept[result_set.name, part.name] = kept
        else:
            goner = Goner(result_set.name, part.name, part.bytes, 0, "superseded")
            found.append(_Candidate(result_set, (goner,), part.rows_at, 0))
    return found


def replaced_parts(result_set: ResultSetFiles, until: datetime) -> list[tuple[PartFile, str]]:
    """(part, '') for each part that may go because the one that stands for it was there at `until`, reads whole and
    has all of its keys; otherwise why it stays. A part is believed to stand for another only when it was read."""
    found: list[tuple[PartFile, str]] = []
    keys: dict[str, frozenset[bytes] | str] = {}
    by_name = {part.name: part for part in result_set.parts}
    for name, stands in sorted(result_set.superseded().items(), key=lambda pair: (pair[1].name, pair[0])):
        if stands.changed_at > until:
            found.append((by_name[name], f"{stands.name} has stood for it only since {stands.changed_at:%H:%M:%S} UTC"))
            continue
        if stands.name not in keys:
            keys.clear()  # of one part at a time
            keys[stands.name] = _whole_keys(result_set, stands.name)
        has = keys[stands.name]
        try:
            if isinstance(has, str):
                reason = f"{stands.name}, which stands for it, {has}"
            elif not _keys(result_set, name) <= has:
                reason = f"{stands.name} says that it stands for it, but lacks some of its rows"
            else:
                reason = ""
        except FileNotFoundError:
            continue
        except DamagedPart:
            reason = ""  # a damaged part that another stands for
        found.append((by_name[name], reason))
    return found


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
    found = []
    for name in store.names(CALLS):
        if not name.startswith(TEMPORARY):
            try:
                if check_call(store.read(f"{CALLS}/{name}"), name)[0] in result_sets:
                    found.append(name)
            except (DamagedPart, FileNotFoundError):
                continue
    return found


def delete(store: Folder, plan: Plan, told: Callable[[Goner], None] | None = None) -> None:
    """Does what a plan says. What is gone already is no error. Raises OSError."""
    for file in plan.files:
        store.delete(f"{RESULTS}/{file.result_set}/{file.name}")
        if told:
            told(file)
    for name in plan.calls:
        store.delete(f"{CALLS}/{name}")
    for result_set in plan.empty:
        folder = store.inside(f"{RESULTS}/{result_set}")
        # A part that another process stored since the plan was made stays, and its manifest with it.
        if set(folder.names()) <= {MANIFEST} and not folder.names(QUARANTINE):
            folder.delete(MANIFEST)
            store.delete_folder(f"{RESULTS}/{result_set}")
