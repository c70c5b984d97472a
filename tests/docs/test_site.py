"""The site of the docs without its generator: every page has one place in it, every link leads somewhere, notebooks hold
what they printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.paths import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """As GitHub and the site name headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "") for heading in HEADING.findall(text))
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in plain}


def broken(text: str, page: Path) -> list[str]:
    found = []
    for link in LINK.findall(without_code(text)):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert not broken(page.read_text("utf-8"), page)


def test_a_broken_link_is_found() -> None:
    page = DOCS / "index.md"
    wrong = "[a](gone.md) [b](store.md#gone) [c](store.md#the-ledger) [d](#inlay) `[e](gone.md)`"
    assert broken(wrong, page) == ["gone.md", "store.md#gone"]


def nav_entries(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for inside in entry.values() if isinstance(entry, dict) else entry:
            yield from nav_entries(inside)


def test_every_page_and_notebook_has_one_place_in_the_site() -> None:
    site = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text("utf-8"))
    here = [path.relative_to(DOCS).as_posix() for path in (*DOCS.glob("*.md"), *NOTEBOOKS)]
    assert sorted(nav_entries(site["nav"])) == sorted([*here, "changelog.md"])
    assert site["theme"]["font"] is False  # fonts would come from elsewhere


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_its_outputs_and_no_error(path: Path) -> None:
    notebook = json.loads(path.read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), "run it: make notebooks"
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert len(outputs) >= 3
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if "widget" in json.dumps(output.get("data", {}))]
    told = json.dumps(outputs)
    assert "Traceback" not in told and str(Path.home()) not in told and str(REPOSITORY) not in told
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            assert not broken("".join(cell["source"]), path)
