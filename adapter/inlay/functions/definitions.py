"""Reads SQL function definitions: a folder of .sql files, each a TOML header in a comment and one CREATE MACRO.

The header is the single source for registration, `inlay functions`, the reference in docs/ and the tests that
compare SQL with dbt. A user's own folder of such files is read the same way.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from inlay.errors import ConfigError
from inlay.functions.spec import Argument, FunctionSpec

_HEADER = re.compile(r"\A\s*/\*(?P<toml>.*?)\*/\s*(?P<macro>CREATE\s+MACRO\s+(?P<name>\w+)\s*\(.*)\Z", re.S | re.I)
_REQUIRED = ("summary", "args", "returns", "nulls", "pure", "cost", "example")


def shipped_folder() -> Path:
    """The definitions that come with inlay: inside the wheel, or the repository's udfs/ in an editable install."""
    packaged = Path(__file__).parents[1] / "_udfs"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "udfs"


def read_definition(path: Path) -> FunctionSpec:
    found = _HEADER.match(path.read_text(encoding="utf-8"))
    if not found:
        raise ConfigError(f"{path}: expected a comment /* … */ with a TOML header, then one CREATE MACRO statement.")
    try:
        header = tomllib.loads(found["toml"])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: the header is not TOML: {error}.") from error
    missing = [key for key in _REQUIRED if key not in header]
    if missing:
        raise ConfigError(f"{path}: the header lacks {', '.join(missing)}.")
    if found["name"] != path.stem:
        raise ConfigError(f"{path}: the macro is named {found['name']!r}; the file must have the same name.")
    macro = found["macro"].strip().rstrip(";")
    return FunctionSpec(
        name=path.stem,
        summary=header["summary"],
        args=tuple(Argument(*entry) for entry in header["args"]),
        options=tuple(_option(path, entry) for entry in header.get("options", [])),
        returns=header["returns"],
        nulls=header["nulls"],
        pure=header["pure"],
        cost=header["cost"],
        errors=tuple(header.get("errors", ())),
        example=header["example"],
        kind="table" if re.search(r"\)\s*AS\s+TABLE\b", macro, re.I) else header.get("kind", "scalar"),
        macro=macro,
        path=path,
        scores=header.get("scores", False),
        typed=header.get("typed", False),
        default_model=header.get("model"),
        language_model=header.get("language_model", False),
    )


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


def _option(path: Path, entry: list[str]) -> Argument:
    if len(entry) != 4:
        raise ConfigError(f"{path}: an option is [name, type, default, note]; got {entry!r}.")
    name, sql_type, default, note = entry
    return Argument(name, sql_type, note, default)
