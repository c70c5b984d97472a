"""`inlay store …`: what is in a result store, whether it is whole, and what to keep, merge or pass on."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inlay.errors import ConfigError, InlayError

if TYPE_CHECKING:
    from inlay.store.care.survey import Wanted
    from inlay.store.folder import Folder

_HOURS = {"m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def add_commands(commands: Any) -> None:
    store = commands.add_parser("store", help="list, verify, shrink, merge, export or import the result store")
    kinds = store.add_subparsers(required=True, metavar="command")

    listing = kinds.add_parser("list", help="one line per kind of question that the store has answers to")
    listing.set_defaults(run=_list)

    verify = kinds.add_parser("verify", help="compute signatures, digests, checksums and keys again; 1 if any differs")
    verify.add_argument(
        "--quarantine", action="store_true", help="set damaged parts aside; their rows are inferred anew"
    )
    verify.set_defaults(run=_verify)

    gc = kinds.add_parser("gc", help="delete by age, size or function; says what it would delete, unless --yes")
    gc.add_argument("--older-than", metavar="AGE", help="parts whose newest row was stored longer ago: 12h, 90d, 8w")
    gc.add_argument("--max-size", metavar="SIZE", help="oldest parts first until the store takes no more: 500MB, 10GB")
    gc.add_argument("--superseded", action="store_true", help="parts that a compaction replaced")
    gc.add_argument("--grace", metavar="AGE", default="1h", help="… that long ago at least (default: 1h)")
    gc.add_argument("--yes", action="store_true", help="delete")
    gc.set_defaults(run=_gc)

    compact = kinds.add_parser("compact", help="merge small parts; the replaced ones go an hour later, at the next run")
    compact.add_argument("--now", action="store_true", help="delete them at once: nobody else uses the store")
    compact.set_defaults(run=_compact)

    export = kinds.add_parser("export", help="write the results to a .tar file, or into another store")
    export.add_argument("target", metavar="FILE.tar", help="a new .tar file, or a store's folder or address")
    export.set_defaults(run=_export)

    taking = kinds.add_parser("import", help="take in results from a .tar file or another store, each one checked")
    taking.add_argument("source", metavar="FILE.tar", help="a .tar file made by export, or a store's folder or address")
    taking.set_defaults(run=_import)

    for command in (listing, verify, gc, compact, export, taking):
        command.add_argument("--store", metavar="ADDRESS", help="folder or address (default: store in the settings)")
        command.add_argument("--config", type=Path, help="settings file (default: inlay.toml here or above)")
        command.add_argument("--function", default="", help="only this one's results, e.g. ai_classify, vectors")
        command.add_argument("--signature", default="", help="only where the signature begins so, e.g. 3f9a")


def _folder(args: argparse.Namespace, *, writing: bool = False, new: bool = False) -> Folder:
    """The store's folder. new: one that is not there yet is made."""
    from inlay.settings.read import read_settings
    from inlay.store.care.survey import check_store
    from inlay.store.folder import open_folder
    from inlay.store.results import Store

    settings = read_settings({"store": args.store} if args.store else {}, config=args.config)
    if not settings.store:
        raise ConfigError(
            "no store is named. Type --store FOLDER, or name one in inlay.toml: store = 'results', or in INLAY_STORE."
        )
    if writing and settings.store_mode == "read-only":
        raise ConfigError(
            f"store {settings.store} may not be changed: store_mode is 'read-only'. Set INLAY_STORE_MODE=read-write "
            "for this command if you mean to."
        )
    if new:
        return Store(settings.store).folder
    folder = open_folder(settings.store)
    check_store(folder)
    return folder


def _wanted(args: argparse.Namespace) -> Wanted:
    from inlay.store.care.survey import Wanted

    return Wanted(args.function, args.signature.rstrip("…").lower())


def _list(args: argparse.Namespace) -> int:
    from inlay.cli.main import _print_rows
    from inlay.store.care.gc import shelf_bytes
    from inlay.store.care.survey import survey

    rows: list[list[Any]] = []
    n_rows = n_parts = n_bytes = n_replaced = n_aside = 0
    with _telling():
        for shelf in survey(_folder(args), _wanted(args)):
            live = shelf.live()
            own = sum(part.part.rows for part in live)
            taken = shelf_bytes(shelf)
            created = str((shelf.manifest or {}).get("created_at", shelf.manifest_error))
            signed = shelf.name.rpartition("-")[2][:12]
            rows.append([shelf.function, signed, shelf.model, f"{own:,}", len(live), _megabytes(taken), created])
            n_rows, n_parts, n_bytes = n_rows + own, n_parts + len(live), n_bytes + taken
            n_replaced += len(shelf.parts) - len(live)
            n_aside += len(shelf.quarantined) + len(shelf.damaged)
    if rows:
        _print_rows(["function", "signature", "model", "rows", "parts", "MB", "created"], rows)
    line = f"{_n(len(rows), 'shelf', 'shelves')}, {n_rows:,} rows, {_n(n_parts, 'part')}, {_megabytes(n_bytes)} MB"
    if n_replaced:
        line += f"; {_n(n_replaced, 'part')} more that compaction replaced"
    if n_aside:
        line += f"; {_n(n_aside, 'damaged file')}"
    print(line)
    return 0


def _verify(args: argparse.Namespace) -> int:
    from inlay.store.calls import CALLS
    from inlay.store.care.verify import verify_store

    folder = _folder(args, writing=args.quarantine)
    shelves = parts = rows = n_bytes = derived = wrong = damaged = aside = 0
    with _telling():
        for report in verify_store(folder, _wanted(args), quarantine=args.quarantine):
            mark = "✗" if report.findings else "✓"
            if report.name == CALLS:
                print(f"{mark}  {CALLS}: {_n(report.parts, 'file')}")
            else:
                shelves += 1
                print(f"{mark}  {report.name}: {_n(report.parts, 'part')}, {report.rows:,} rows{_remarks(report)}")
            for name, reason in report.findings:
                print(f"   {name + ': ' if name else ''}{reason}")
                if name in report.set_aside:
                    print("   set aside in quarantine/: its rows will be inferred again when they are asked for")
            if report.name != CALLS:
                parts, rows, n_bytes = parts + report.parts, rows + report.rows, n_bytes + report.bytes
            derived += report.derived
            wrong += len(report.findings)
            damaged += len(report.damaged)
            aside += len(report.set_aside)
    print(
        f"Checked: {_n(shelves, 'shelf', 'shelves')}, {_n(parts, 'whole part')}, {rows:,} rows, {_megabytes(n_bytes)} "
        "MB read: signatures from their questions, names from bytes, every page against its checksum; "
        f"{derived:,} keys from their inputs."
    )
    if wrong:
        advice = " Type: inlay store verify --quarantine" if damaged > aside else ""
        print(f"{_n(wrong, 'finding')}, {_n(damaged, 'damaged part')}.{advice}")
    return 1 if wrong else 0


def _remarks(report: Any) -> str:
    said = []
    if report.twice:
        said.append(f"{report.twice:,} of them with a key that another row has (harmless)")
    if report.derived:
        said.append(f"{report.derived:,} keys computed again from their inputs")
    if report.superseded:
        said.append(f"{_n(report.superseded, 'part')} that compaction replaced")
    if report.quarantined:
        said.append(f"{_n(report.quarantined, 'file')} in quarantine")
    return "".join(f", {part}" for part in said)


def _gc(args: argparse.Namespace) -> int:
    from inlay.store.care.gc import Criteria, delete, plan_gc

    criteria = Criteria(
        wanted=_wanted(args),
        older_than=_age("--older-than", args.older_than) if args.older_than is not None else None,
        max_bytes=_size("--max-size", args.max_size) if args.max_size is not None else None,
        superseded=args.superseded,
        grace=_age("--grace", args.grace),
    )
    folder = _folder(args, writing=args.yes)
    with _telling():
        plan = plan_gc(folder, criteria)
        for shelf in sorted({file.shelf for file in plan.files} | set(plan.empty)):
            files = [file for file in plan.files if file.shelf == shelf]
            last = ", and the shelf, which is empty then" if shelf in plan.empty else ""
            n_rows, n_bytes = sum(file.rows for file in files), sum(file.bytes for file in files)
            print(f"{shelf}: {_n(len(files), 'file')}, {n_rows:,} rows, {_megabytes(n_bytes)} MB{last}")
        for (shelf, name), why in plan.kept.items():
            print(f"kept: {shelf}/{name}: {why}")
        if plan.waiting:
            print(f"kept: {_n(plan.waiting, 'part')} replaced less than {args.grace} ago, for readers that are in them")
        if args.yes:
            delete(folder, plan)
    total = (
        f"{_n(len(plan.files), 'file')}, {plan.rows:,} rows, {_megabytes(plan.bytes)} of "
        f"{_megabytes(plan.total_bytes)} MB, {_n(len(plan.empty), 'shelf', 'shelves')}"
    )
    if args.yes:
        print(f"Deleted: {total}.")
    else:
        print(f"Would delete: {total}. Nothing was deleted." + (" Type it again with --yes." if _any(plan) else ""))
    if not criteria:
        print(
            "Only what is never missed. More goes by --older-than, --max-size, --superseded, --function, --signature."
        )
    return 0


def _any(plan: Any) -> bool:
    return bool(plan.files or plan.empty)


def _compact(args: argparse.Namespace) -> int:
    from inlay.store.care.compact import compact_store

    merged = made = deleted = waiting = aside = 0
    with _telling():
        for done in compact_store(_folder(args, writing=True), _wanted(args), now=args.now):
            if done.merged:
                twice = f", {_n(done.duplicates, 'row')} dropped that were there twice" if done.duplicates else ""
                print(f"{done.shelf}: {done.merged} parts → {len(done.made)}, {done.rows:,} rows{twice}")
            for name, why in done.set_aside.items():
                print(f"{done.shelf}/{name} was set aside in quarantine/: {why}")
            for name, why in done.left:
                print(f"{done.shelf}/{name}: {why}")
            merged, made, deleted = merged + done.merged, made + len(done.made), deleted + done.deleted
            waiting += done.waiting
            aside += len(done.set_aside) + len(done.left)
    line = f"{_n(merged, 'part')} merged into {made}, {deleted} replaced parts deleted."
    if waiting:
        line += (
            f" {_n(waiting, 'replaced part')} kept for readers that are in them; from an hour on the next "
            "`inlay store compact`, or `inlay store gc --superseded --yes`, deletes them."
        )
    print(line)
    return 1 if aside else 0


def _export(args: argparse.Namespace) -> int:
    from inlay.store.care.exchange import Sent, read_store, take_in, write_tar
    from inlay.store.results import Store

    source, sent = _folder(args), Sent()
    items = read_store(source, sent, _wanted(args))
    with _telling():
        if args.target.endswith(".tar"):
            folder, name = _parent(args.target)
            if folder.exists(name):
                raise ConfigError(f"{args.target} is there already. Name another file, or delete it.")
            with folder.draft() as draft:
                write_tar(draft, items)
                draft.publish(name)
        else:
            _refuse_same(source, args.target)
            print(_taken_line(take_in(Store(args.target).folder, items)))
    for name, why in sent.left:
        print(f"left out: {name}: {why}")
    print(
        f"{_n(sent.shelves, 'shelf', 'shelves')}, {_n(sent.parts, 'part')}, {sent.rows:,} rows, "
        f"{_megabytes(sent.bytes)} MB: {args.target}"
    )
    return 1 if sent.left else 0


def _import(args: argparse.Namespace) -> int:
    from inlay.store.care.exchange import Sent, read_store, read_tar, take_in
    from inlay.store.folder import open_folder

    wanted, sent = _wanted(args), Sent()
    with _telling():
        if args.source.endswith(".tar"):
            folder, name = _parent(args.source)
            if not folder.exists(name):
                raise ConfigError(f"there is no file {args.source}. Make one: inlay store export FILE.tar")
            items = read_tar(lambda: folder.open(name), args.source)
        else:
            items = read_store(open_folder(args.source), sent, wanted)
        store = _folder(args, writing=True, new=True)
        if not args.source.endswith(".tar"):
            _refuse_same(store, args.source)
        taken = take_in(store, items, wanted)
    for name, why in sent.left:
        print(f"left out: {name}: {why}")
    for name, why in taken.refused:
        print(f"refused: {name}: {why}")
    print(_taken_line(taken))
    return 1 if taken.refused or sent.left else 0


def _taken_line(taken: Any) -> str:
    return (
        f"New: {_n(taken.parts, 'part')}, {taken.rows:,} rows, {_megabytes(taken.bytes)} MB in "
        f"{_n(taken.new_shelves, 'new shelf', 'new shelves')} of {taken.shelves}, {_n(taken.calls, 'call')}. "
        f"Here already: {_n(taken.here, 'part')}."
    )


def _refuse_same(store: Folder, address: str) -> None:
    from inlay.store.folder import open_folder

    if open_folder(address).address == store.address:
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
            "that is mended."
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


def _n(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
