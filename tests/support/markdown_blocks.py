"""The code blocks of a page of Markdown, as they are printed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# Directly above a block that no test can run; what follows is the reason.
MARK = "*Not run by the tests:"


@dataclass(frozen=True)
class Block:
    """language: '' for what a block before it prints, 'sh' also for an indented block. title: as in title="…".
    reason: why the page says that the tests do not run it, or ''. lines: where it begins in the page."""

    language: str
    text: str
    line: int
    title: str = ""
    reason: str = ""


def blocks_of(page: Path) -> list[Block]:
    """Fenced and indented blocks in order. An indented block is one between blank lines, outside of lists."""
    found: list[Block] = []
    lines = page.read_text("utf-8").splitlines()
    number = 0
    while number < len(lines):
        start = number
        fence = re.match(r"^```(\w*)(.*)$", lines[number])
        if fence:
            number += 1
            while lines[number] != "```":
                number += 1
            title = re.search(r'title="([^"]*)"', fence[2])
            text = "\n".join(lines[start + 1 : number])
            found.append(Block(fence[1], text, start + 1, title[1] if title else "", _reason(lines, start)))
        elif lines[number].startswith("    ") and (number == 0 or not lines[number - 1].strip()):
            while number + 1 < len(lines) and (lines[number + 1].startswith("    ") or not lines[number + 1].strip()):
                number += 1
            text = "\n".join(line[4:] for line in lines[start : number + 1]).strip()
            found.append(Block("sh", text, start + 1, "", _reason(lines, start)))
        number += 1
    return found


def _reason(lines: list[str], start: int) -> str:
    above = next((line for line in reversed(lines[:start]) if line.strip()), "")
    return above.removeprefix(MARK).strip(" *") if above.startswith(MARK) else ""
