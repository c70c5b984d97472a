"""`inlay store …`: what is in a result store, whether it is whole, and what to keep, merge or pass on."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inlay.cli import options, output
from inlay.cli.group import Group
from inlay.errors import ConfigError, InlayError
from inlay.tables import Table

if TYPE_CHECKING:
    from inlay.store.care.compact import Compacted
    from inlay.store.care.gc import Plan
    from inlay.store.care.survey import Wanted
    from inlay.store.care.verify import ResultSetReport
    from inlay.store.folder import Folder

_HOURS = {"m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@click.group("store", cls=Group)
def store() -> None:
    """List, verify, shrink, merge, export or import the result store."""


@dataclass(frozen=True)
class _Address:
    """Which store, and which of its results."""

    store: str | None
    config: Path | None
    function: str
    signature: str

    def folder(self, *, writing: bool = False, new: bool = False) -> Folder:
        """new: one that is not there yet is made."""
        from inlay.settings.read import read_settings
        from inlay.store.care.survey import check_store
        from inlay.store.folder import open_folder
        from inlay.store.results import Store

        settings = read_settings(options.given(store=self.store), config=self.config)
        if not settings.store:
            raise ConfigError(
                "no store is named. Type --store FOLDER, or name one in inlay.toml: store = 'results', or in "
                "INLAY_STORE."
            )
        if writing and settings.store_mode == "read-only":
            raise ConfigError(
                f"store {settings.store} may not be changed: store_mode is 'read-only'. Set "
                "INLAY_STORE_MODE=read-write for this command if you mean to."
            )
        if new:
            return Store(settings.store).folder
        folder = open_folder(settings.store)
        check_store(folder)
        return folder

    def wanted(self) -> Wanted:
        from inlay.store.care.survey import Wanted

        return Wanted(self.function, self.signature.rstrip("…").lower())


def _address_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options that an _Address is made of, and calls it with that."""

    @click.option("--store", metavar="ADDRESS", help="Folder or address (default: store in the settings).")
    @options.config
    @click.option("--function", default="", help="Only this one's results, e.g. ai_classify, vectors.")
    @click.option("--signature", default="", help="Only where the signature begins so, e.g. 3f9a.")
    @functools.wraps(command)
    def with_address(*, store: str | None, config: Path | None, function: str, signature: str, **others: Any) -> Any:
        return command(_Address(store, config, function, signature), **others)

    return with_address


@store.command("list")
@_address_options
def list_store(address: _Address) -> None:
    """One line per kind of question that the store has answers to."""
    from inlay.store.care.gc import result_set_bytes
    from inlay.store.care.survey import survey

    rows: list[list[Any]] = []
    n_rows = n_parts = n_bytes = n_replaced = n_aside = 0
    with _telling():
        for result_set in survey(address.folder(), address.wanted()):
            live = result_set.live()
            own = sum(part.part.rows for part in live)
            taken = result_set_bytes(result_set)
            created = (result_set.manifest or {}).get("created_at", result_set.manifest_error)
            signed = result_set.name.rpartition("-")[2][:12]
            values = [result_set.function, signed, result_set.model, own, len(live), _megabytes(taken)]
            rows.append([*values, str(created).replace("+00:00", "Z")])
            n_rows, n_parts, n_bytes = n_rows + own, n_parts + len(live), n_bytes + taken
            n_replaced += len(result_set.parts) - len(live)
            n_aside += len(result_set.quarantined) + len(result_set.damaged)
    if rows:
        titles = ["function", "signature", "model", "rows", "parts", "MB", "created"]
        output.table(Table(titles, rows, numbers=(3, 4, 5)))
    line = f"{_n(len(rows), 'result set')}, {n_rows:,} rows, {_n(n_parts, 'part')}, {_megabytes(n_bytes)} MB"
    if n_replaced:
        line += f"; {_n(n_replaced, 'part')} more that compaction replaced"
    if n_aside:
        line += f"; {_n(n_aside, 'damaged file')}"
    output.sentence(line)


@store.command("verify")
@click.option("--quarantine", is_flag=True, help="Set damaged parts aside; their rows are inferred anew.")
@_address_options
def verify(address: _Address, quarantine: bool) -> int:
    """Compute signatures, digests, checksums and keys again; exit status 1 if any differs."""
    from inlay.functions.possible_answers import are_answers
    from inlay.store.calls import CALLS
    from inlay.store.care.verify import verify_store

    folder = address.folder(writing=quarantine)
    reports = []
    with _telling():
        for report in verify_store(folder, are_answers, address.wanted(), quarantine=quarantine):
            title = f"{report.name}: {_n(report.parts, 'part')}, {report.rows:,} rows{_remarks(report)}"
            if report.name == CALLS:
                title = f"{CALLS}: {_n(report.parts, 'file')}"
            output.tree(title, _findings(report), "✗" if report.findings else "✓")
            reports.append(report)
    result_sets = [report for report in reports if report.name != CALLS]
    output.sentence(
        f"Checked: {_n(len(result_sets), 'result set')}, {_n(sum(each.parts for each in result_sets), 'whole part')}, "
        f"{sum(each.rows for each in result_sets):,} rows, {_megabytes(sum(each.bytes for each in result_sets))} "
        "MB read: signatures from their questions, names from bytes, every page against its checksum; "
        f"{sum(each.derived for each in reports):,} keys from their inputs."
    )
    wrong = sum(len(each.findings) for each in reports)
    damaged = sum(len(each.damaged) for each in reports)
    aside = sum(len(each.set_aside) for each in reports)
    if wrong:
        advice = " Type: inlay store verify --quarantine" if damaged > aside else ""
        output.sentence(f"{_n(wrong, 'finding')}, {_n(damaged, 'damaged part')}.{advice}")
    return 1 if wrong else 0


def _findings(report: ResultSetReport) -> Iterator[str]:
    for name, reason in report.findings:
        yield f"{name}: {reason}" if name else reason
        if name in report.set_aside:
            yield "set aside in quarantine/: its rows will be inferred again when they are asked for"


def _remarks(report: ResultSetReport) -> str:
    remarks = []
    if report.twice:
        remarks.append(f"{report.twice:,} of them with a key that another row has (harmless)")
    if report.derived:
        remarks.append(f"{report.derived:,} keys computed again from their inputs")
    if report.superseded:
        remarks.append(f"{_n(report.superseded, 'part')} that compaction replaced")
    if report.quarantined:
        remarks.append(f"{_n(report.quarantined, 'file')} in quarantine")
    return "".join(f", {part}" for part in remarks)


@store.command("gc")
@click.option("--older-than", metavar="AGE", help="Parts whose newest row was stored longer ago: 12h, 90d, 8w.")
@click.option("--max-size", metavar="SIZE", help="Oldest parts first until the store takes no more: 500MB, 10GB.")
@click.option("--superseded", is_flag=True, help="Parts that a compaction replaced.")
@click.option("--grace", metavar="AGE", default="1h", help="Those replaced at least so long ago (default: 1h).")
@click.option("--yes", is_flag=True, help="Delete.")
@_address_options
def gc(
    address: _Address, older_than: str | None, max_size: str | None, superseded: bool, grace: str, yes: bool
) -> None:
    """Delete by age, size or function; say what would be deleted, unless --yes is given."""
    from inlay.store.care.gc import Criteria, delete, plan_gc

    criteria = Criteria(
        wanted=address.wanted(),
        older_than=_age("--older-than", older_than) if older_than is not None else None,
        max_bytes=_size("--max-size", max_size) if max_size is not None else None,
        superseded=superseded,
        grace=_age("--grace", grace),
    )
    folder = address.folder(writing=yes)
    with _telling():
        plan = plan_gc(folder, criteria)
        _show_plan(plan, grace)
        if yes:
            delete(folder, plan)
    total = (
        f"{_n(len(plan.files), 'file')}, {plan.rows:,} rows, {_megabytes(plan.bytes)} of "
        f"{_megabytes(plan.total_bytes)} MB, {_n(len(plan.empty), 'result set')}"
    )
    if yes:
        output.sentence(f"Deleted: {total}.")
    else:
        again = " Type it again with --yes." if plan.files or plan.empty else ""
        output.sentence(f"Would delete: {total}. Nothing was deleted.{again}")
    if not criteria:
        output.sentence(
            "Only what is never missed. More goes by --older-than, --max-size, --superseded, --function, --signature."
        )


def _show_plan(plan: Plan, grace: str) -> None:
    for result_set in sorted({file.result_set for file in plan.files} | set(plan.empty)):
        files = [file for file in plan.files if file.result_set == result_set]
        last = ", and the result set, which is empty then" if result_set in plan.empty else ""
        n_rows, n_bytes = sum(file.rows for file in files), sum(file.bytes for file in files)
        output.sentence(f"{result_set}: {_n(len(files), 'file')}, {n_rows:,} rows, {_megabytes(n_bytes)} MB{last}")
    for (result_set, name), why in plan.kept.items():
        output.sentence(f"kept: {result_set}/{name}: {why}")
    if plan.waiting:
        output.sentence(
            f"kept: {_n(plan.waiting, 'part')} replaced less than {grace} ago, for readers that are in them"
        )


@store.command("compact")
@click.option("--now", is_flag=True, help="Delete them at once: nobody else uses the store.")
@_address_options
def compact(address: _Address, now: bool) -> int:
    """Merge small parts; the replaced ones go an hour later, at the next run."""
    from inlay.store.care.compact import compact_store

    compacted = []
    with _telling():
        for report in compact_store(address.folder(writing=True), address.wanted(), now=now):
            _show_compacted(report)
            compacted.append(report)
    merged, published = sum(report.merged for report in compacted), sum(len(report.published) for report in compacted)
    deleted = sum(report.deleted for report in compacted)
    line = f"{_n(merged, 'part')} merged into {published}, {deleted} replaced parts deleted."
    if waiting := sum(report.waiting for report in compacted):
        line += (
            f" {_n(waiting, 'replaced part')} kept for readers that are in them; from an hour on the next "
            "`inlay store compact`, or `inlay store gc --superseded --yes`, deletes them."
        )
    output.sentence(line)
    return 1 if any(report.set_aside or report.left for report in compacted) else 0


def _show_compacted(report: Compacted) -> None:
    if report.merged:
        twice = f", {_n(report.duplicates, 'row')} dropped that were there twice" if report.duplicates else ""
        output.sentence(
            f"{report.result_set}: {report.merged} parts → {len(report.published)}, {report.rows:,} rows{twice}"
        )
    for name, why in report.set_aside.items():
        output.sentence(f"{report.result_set}/{name} was set aside in quarantine/: {why}")
    for name, why in report.left:
        output.sentence(f"{report.result_set}/{name}: {why}")


@store.command("export")
@click.argument("target", metavar="FILE.tar")
@_address_options
def export(address: _Address, target: str) -> int:
    """Write the results to a .tar file, or into another store.

    FILE.tar is a new .tar file, or a store's folder or address.
    """
    from inlay.functions.possible_answers import are_answers
    from inlay.store.care.exchange import Sent, read_store, take_in, write_tar
    from inlay.store.results import Store

    folder, sent = address.folder(), Sent()
    items = read_store(folder, sent, address.wanted())
    with _telling():
        if target.endswith(".tar"):
            parent, name = _parent(target)
            if parent.exists(name):
                raise ConfigError(f"{target} is there already. Name another file, or delete it.")
            with parent.draft() as draft:
                write_tar(draft, items)
                draft.publish(name)
        else:
            _refuse_same(folder, target)
            output.sentence(_taken_line(take_in(Store(target).folder, items, are_answers)))
    for name, why in sent.left:
        output.sentence(f"left out: {name}: {why}")
    output.sentence(
        f"{_n(sent.result_sets, 'result set')}, {_n(sent.parts, 'part')}, {sent.rows:,} rows, "
        f"{_megabytes(sent.bytes)} MB: {target}"
    )
    return 1 if sent.left else 0


@store.command("import")
@click.argument("source", metavar="FILE.tar")
@_address_options
def import_store(address: _Address, source: str) -> int:
    """Take in results from a .tar file or another store, each one checked.

    FILE.tar is a .tar file made by export, or a store's folder or address.
    """
    from inlay.functions.possible_answers import are_answers
    from inlay.store.care.exchange import Sent, read_store, read_tar, take_in
    from inlay.store.folder import open_folder

    wanted, sent = address.wanted(), Sent()
    with _telling():
        if source.endswith(".tar"):
            folder, name = _parent(source)
            if not folder.exists(name):
                raise ConfigError(f"there is no file {source}. Make one: inlay store export FILE.tar")
            items = read_tar(lambda: folder.open(name), source)
        else:
            items = read_store(open_folder(source), sent, wanted)
        into = address.folder(writing=True, new=True)
        if not source.endswith(".tar"):
            _refuse_same(into, source)
        taken = take_in(into, items, are_answers, wanted)
    for name, why in sent.left:
        output.sentence(f"left out: {name}: {why}")
    for name, why in taken.refused:
        output.sentence(f"refused: {name}: {why}")
    output.sentence(_taken_line(taken))
    return 1 if taken.refused or sent.left else 0


def _taken_line(taken: Any) -> str:
    return (
        f"New: {_n(taken.parts, 'part')}, {taken.rows:,} rows, {_megabytes(taken.bytes)} MB in "
        f"{_n(taken.new_result_sets, 'new result set')} of {taken.result_sets}, {_n(taken.calls, 'call')}. "
        f"Here already: {_n(taken.here, 'part')}."
    )


def _refuse_same(folder: Folder, address: str) -> None:
    from inlay.store.folder import open_folder

    if open_folder(address).address == folder.address:
        raise ConfigError(f"{address} is the store itself. Name another one, or a .tar file.")


def _parent(address: str) -> tuple[Folder, str]:
    from inlay.store.folder import open_folder

    parent, _, name = address.rpartition("/")
    return open_folder(parent or ("/" if address.startswith("/") else ".")), name


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    """What a file system says, as an error for people."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if isinstance(error, InlayError):
            raise
        sys.stdout.flush()
        raise InlayError(
            f"the store cannot be read or written: {error}. What was done until now is whole; type it again when "
            "that is repaired."
        ) from error


def _age(option: str, text: str) -> timedelta:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhdw])", text.strip())
    if not found:
        raise ConfigError(f"{option} is {text!r}; write a number and m, h, d or w: 30m, 12h, 90d, 8w.")
    return timedelta(hours=float(found[1]) * _HOURS[found[2]])


def _size(option: str, text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)", text.strip().upper())
    if not found:
        raise ConfigError(f"{option} is {text!r}; write a number and B, KB, MB, GB or TB: 500MB, 10GB.")
    return int(float(found[1]) * _BYTES[found[2]])


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f}" if n_bytes >= 100_000 else f"{n_bytes / 1e6:.3f}"


def _n(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"
