"""The failed rows of a page: one fold for each reason, with the inputs that failed for it."""

from __future__ import annotations

import html
from collections.abc import Sequence

from inlay.reports.runs import Report, Row
from inlay.reports.tables import cell, table_html

MOST_REASONS, MOST_INPUTS = 200, 100
EXCERPT = 500
"""Characters of an input that are shown."""


def failures_section(report: Report, n_failed: int, *, with_inputs: bool) -> str:
    """n_failed: by the ledger, which knows also those that were asked again since."""
    if not n_failed and not report.failures:
        return "<h2>Failed rows</h2>\n<p>None: every input got an answer.</p>"
    reasons = _reasons(report.failures)
    parts = ["<h2>Failed rows</h2>"]
    listed = sum(map(len, reasons.values()))
    if listed < n_failed:
        parts.append(
            f"<p>{n_failed:,} inputs got no answer in these runs; {listed:,} of them are still listed. The others were "
            "asked again by inlay retry, or failed in a session that keeps no more.</p>"
        )
    shown = sorted(reasons.items(), key=lambda pair: -len(pair[1]))
    parts += [_fold(*pair, with_inputs=with_inputs, is_open=i == 0) for i, pair in enumerate(shown[:MOST_REASONS])]
    if len(shown) > MOST_REASONS:
        parts.append(f"<p>{len(shown) - MOST_REASONS:,} rarer reasons are left out: from inlay_failures().</p>")
    parts.append('<p class="quiet">Ask them again: inlay retry</p>')
    return "\n".join(parts)


def _reasons(failures: Sequence[Row]) -> dict[tuple[str, str, str, str], list[tuple[str, ...]]]:
    """(reason, node, function, model) → distinct inputs."""
    groups: dict[tuple[str, str, str, str], dict[tuple[str, ...], None]] = {}
    for row in failures:
        key = row["error"], row["node"], row["function"], row["model"]
        groups.setdefault(key, {})[tuple(row["inputs"])] = None
    return {key: list(inputs) for key, inputs in groups.items()}


def _fold(
    about: tuple[str, str, str, str], inputs: Sequence[tuple[str, ...]], *, with_inputs: bool, is_open: bool
) -> str:
    reason, node, function, model = about
    where = f"{node}: " if node else ""
    title = f"<b>{len(inputs):,}</b> × {html.escape(f'{where}{function} ({model}): {reason}')}"
    if not with_inputs:
        return f"<p>{title}</p>"
    width = max(map(len, inputs))
    titles = ["input"] if width == 1 else [f"input {i + 1}" for i in range(width)]
    rows = [[cell(_excerpt(text), kind="text") for text in (*each, *[""] * (width - len(each)))] for each in inputs]
    cut = ""
    if len(rows) > MOST_INPUTS:
        cut = f"<p>The first {MOST_INPUTS} of {len(rows):,}; all are in inlay_failures().</p>"
    table = table_html(titles, rows[:MOST_INPUTS])
    return f"<details{' open' if is_open else ''}><summary>{title}</summary>{table}{cut}</details>"


def _excerpt(text: str) -> str:
    return text if len(text) <= EXCERPT else text[:EXCERPT] + "…"
