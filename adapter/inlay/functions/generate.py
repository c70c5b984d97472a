"""Writes what follows from the headers in udfs/ and macros/: docs/functions.md and macros/generated/.

`make docs` runs it in a checkout: python -m inlay.functions.generate REPOSITORY. A test fails where a file differs from
what it writes.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from inlay.functions.dbt_macros import macro_file, option_kinds_file
from inlay.functions.definitions import read_folder
from inlay.functions.macro_docs import MacroDocs, function_docs, header_docs, macros_yml
from inlay.functions.reference import reference_page


def generated_files(repository: Path) -> dict[Path, str]:
    """Text by path below the repository."""
    specs = read_folder(repository / "udfs")
    called = [(spec, name) for spec in specs if not spec.is_table for name in (spec.name, spec.try_name)]
    by_hand = {path.stem: header_docs(path) for path in sorted((repository / "macros").glob("*.sql"))}
    for path in sorted((repository / "macros" / "tests").glob("*.sql")):
        test = replace(header_docs(path), name=f"test_{path.stem}")  # dbt's name of the macro that a test is
        by_hand[test.name] = test
    macros = {name: macro_file(spec, name) for spec, name in called if name not in by_hand}
    macros["_option_kinds"] = option_kinds_file(spec for spec in specs if not spec.is_table)
    docs = [function_docs(spec, name) for spec, name in called]
    docs.append(MacroDocs("_option_kinds", "What kind of value each option takes, by its name.", ()))
    folder = Path("macros", "generated")
    return {
        Path("docs", "functions.md"): reference_page(specs),
        **{folder / f"{name}.sql": text for name, text in macros.items()},
        folder / "macros.yml": macros_yml(docs, by_hand),
    }


def main(repository: Path) -> None:
    files = generated_files(repository)
    for path in (repository / "macros" / "generated").glob("*"):
        if path.relative_to(repository) not in files:
            path.unlink()
    for path, text in files.items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
