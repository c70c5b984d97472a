"""What the programs print and keep: a machine line, aligned tables, one JSON file for each program."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """CPU model, cores that this process may use, what they multiply fast, versions, and the load at this moment."""
    flags = _cpuinfo("flags").split()
    return {
        "cpu": _cpuinfo("model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "bf16": [flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags],
        "versions": {name: _version(name) for name in ("inlay", "duckdb", "torch", "sentence-transformers")},
        "load": round(os.getloadavg()[0], 1),
    }


def machine_line() -> str:
    found = machine()
    versions = " | ".join(f"{name} {number}" for name, number in found["versions"].items())
    bf16 = " ".join(found["bf16"]) or "no bf16"
    return f"{found['cpu']}, {found['cores']} cores, {bf16} | {versions} | load {found['load']}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns: the first to the left, the others to the right.

    >>> print(table(["way", "rows/s"], [["a", "9"], ["bcd", "10"]]))
    | way | rows/s |
    |:----|-------:|
    | a   |      9 |
    | bcd |     10 |
    """
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return "| " + " | ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + " |"

    rule = "|:" + "-" * (widths[0] + 1) + "|" + "".join("-" * (width + 1) + ":|" for width in widths[1:])
    return "\n".join([line(columns), rule, *(line(row) for row in rows)])


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Median (least–greatest).

    >>> spread([2.0, 1.0, 4.0])
    '2.00 (1.00–4.00)'
    """
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def save(name: str, found: dict[str, Any]) -> None:
    """bench/results/<name>.json: everything measured, every round of it, with the machine."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), **found}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _cpuinfo(key: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
