"""Reads SQL function definitions: a folder of .sql files, each a TOML header in a comment.

The header is the single source for the SQL macro, registration, `inlay functions`, docs/functions.md, the dbt macros
and their docs. A CREATE MACRO statement follows it only where the macro does more than hand its arguments on to the
function that the header names. A user's own folder of such files is read the same way.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

from inlay.errors import ConfigError
from inlay.functions.spec import Argument, FunctionSpec
from inlay.functions.sql_macro import macro_text
from inlay.types import Blank

_FILE = re.compile(
    r"\A\s*/\*(?P<toml>.*?)\*/\s*(?P<macro>CREATE\s+MACRO\s+(?P<name>\w+)\s*\(.*)?\Z", re.DOTALL | re.IGNORECASE
)
_REQUIRED = ("summary", "args", "returns", "example")


def shipped_folder() -> Path:
    """The definitions that come with inlay: inside the wheel, or the repository's udfs/ in an editable install."""
    packaged = Path(__file__).parents[1] / "_udfs"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "udfs"


def read_definition(path: Path) -> FunctionSpec:
    match = _FILE.match(path.read_text(encoding="utf-8"))
    if not match:
        raise ConfigError(
            f"{path}: expected a comment /* … */ with a TOML header, then nothing or one CREATE MACRO statement."
        )
    try:
        header = tomllib.loads(match["toml"])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: the header is not TOML: {error}.") from error
    missing = [key for key in _REQUIRED if key not in header]
    if missing:
        raise ConfigError(f"{path}: the header lacks {', '.join(missing)}.")
    if match["name"] not in (None, path.stem):
        raise ConfigError(f"{path}: the macro is named {match['name']!r}; the file must have the same name.")
    return _spec(path, header, (match["macro"] or "").strip().rstrip(";"))


def _spec(path: Path, header: Mapping[str, Any], macro: str) -> FunctionSpec:
    is_table = header["returns"] == "TABLE" or re.search(r"\)\s*AS\s+TABLE\b", macro, re.IGNORECASE) is not None
    spec = FunctionSpec(
        name=path.stem,
        summary=header["summary"],
        args=tuple(_argument(path, entry) for entry in header["args"]),
        options=tuple(_option(path, entry) for entry in header.get("options", ())),
        returns=header["returns"],
        nulls=header.get("nulls", "-" if is_table else "NULL in any argument gives NULL; no model call"),
        cost=header.get("cost", "free" if is_table else "tokens"),
        example=header["example"],
        kind="table" if is_table else header.get("kind", "scalar"),
        macro=macro,
        path=path,
        answer=header.get("answer"),
        quoted=tuple(header.get("quoted", ())),
        scores=header.get("scores", False),
        typed=header.get("typed", False),
        blank=_blank(path, header.get("blank", "null")),
        default_model=header.get("model"),
        language_model=header.get("language_model", False),
    )
    if macro:
        return spec
    if spec.answer is None and not is_table:
        raise ConfigError(
            f"{path}: nothing says what the function does. Put a CREATE MACRO statement behind the header, or into the "
            "header the Python function that binds it: answer = 'classify.bind'."
        )
    return replace(spec, macro=macro_text(spec))


def _blank(path: Path, given: Any) -> Blank:
    if given not in get_args(Blank):
        raise ConfigError(f"{path}: blank is {given!r}; it must be one of {', '.join(get_args(Blank))}.")
    return cast("Blank", given)


@cache
def read_folder(folder: Path) -> tuple[FunctionSpec, ...]:
    return tuple(read_definition(path) for path in sorted(folder.glob("*.sql")))


def all_definitions(extra: Iterable[Path] = ()) -> dict[str, FunctionSpec]:
    """Shipped definitions by name, then the user's folders; a user's file may not replace a shipped one."""
    specs = {spec.name: spec for spec in read_folder(shipped_folder())}
    for folder in extra:
        if not folder.is_dir():
            raise ConfigError(f"functions folder {folder} does not exist.")
        for spec in read_folder(folder):
            if spec.name in specs:
                raise ConfigError(f"{spec.path}: {spec.name} is already defined in {specs[spec.name].path}.")
            specs[spec.name] = spec
    return specs


@cache
def _shared() -> dict[str, list[str]]:
    """Arguments and options that a header names by a word instead of writing them out."""
    return tomllib.loads((shipped_folder() / "arguments.toml").read_text(encoding="utf-8"))


def _argument(path: Path, entry: str | list[str]) -> Argument:
    row = _row(path, entry)
    if len(row) not in (3, 4):
        raise ConfigError(f"{path}: an argument is [name, type, note], perhaps with a default; got {entry!r}.")
    return Argument(*row)


def _option(path: Path, entry: str | list[str]) -> Argument:
    row = _row(path, entry)
    if len(row) != 4:
        raise ConfigError(f"{path}: an option is [name, type, default, note]; got {entry!r}.")
    name, sql_type, default, note = row
    return Argument(name, sql_type, note, default)


def _row(path: Path, entry: str | list[str]) -> list[str]:
    if not isinstance(entry, str):
        return entry
    if entry not in _shared():
        raise ConfigError(
            f"{path}: no argument that functions share is named {entry!r}. Those in arguments.toml are "
            f"{', '.join(_shared())}; write any other as a list."
        )
    return _shared()[entry]
