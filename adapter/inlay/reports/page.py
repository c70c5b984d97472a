"""The page of a report: one HTML file with its style and charts inside. It has no script and asks no network for
anything; every text of a row or a setting is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from inlay import __version__
from inlay.reports.charts import KINDS, Bar, Span, bars, legend, timeline
from inlay.reports.failures import failures_section
from inlay.reports.runs import Report, Row, Total, began
from inlay.reports.sureness import curves_section, unsure_section
from inlay.reports.tables import cell, seconds_text, table_html

MOST_BARS = 40
"""Rows of a chart. The tables have all."""

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>inlay: {title}</title>
<style>
{style}</style>
</head>
<body>
"""
_WORDS = (
    ("rows", "that reached the function, NULL and blank ones too"),
    ("distinct", "inputs among them; equal inputs are asked once"),
    ("known", "inputs whose answer was kept from before"),
    ("inferred", "inputs that a model answered in these runs"),
    ("failed", "inputs without an answer; their rows are NULL"),
    ("seconds", "during which the call was being answered; calls that ran at the same time are each counted whole"),
    ("cost", "by the models' cost_per_million_tokens; without a price it is 0"),
)


def page(report: Report, *, with_inputs: bool = True) -> str:
    """with_inputs: False leaves out the texts of failed rows, for a page that others may read."""
    total = Total.of(report.calls)
    style = Path(__file__).with_name("page.css").read_text("utf-8")
    parts = [
        _HEAD.format(title=html.escape(_title(report)), style=style),
        _header(report, total),
        _by_node(report),
        _by_function(report),
        _by_model(report),
        _when(report),
        failures_section(report, total.failed, with_inputs=with_inputs),
        unsure_section(report, with_inputs=with_inputs),
        curves_section(report.risks),
        _certificates(report.certificates),
        _recent(report),
        _footer(),
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


def _title(report: Report) -> str:
    names = report.runs
    if not names:
        return "Report of this session"
    return f"Report of run {names[0]}" if len(names) == 1 else f"Report of {len(names)} runs"


def _header(report: Report, total: Total) -> str:
    about = [f"Read from {report.source}."]
    if starts := [call["started_at"] for call in report.calls]:
        about.append(f"The first call began at {min(starts)}, the last at {max(starts)}.")
    for name, key in (("dbt invocation", "invocation"), ("machine", "host")):
        if values := _distinct(report.calls, key):
            about.append(f"{name}: {', '.join(values)}.")
    if len(report.runs) > 1:
        about.append(f"Runs: {', '.join(report.runs)}.")
    tiles = [
        ("rows", f"{total.rows:,}", ""),
        ("distinct inputs", f"{total.distinct_inputs:,}", ""),
        ("known", f"{total.known:,}", ""),
        ("inferred", f"{total.inferred:,}", ""),
        ("failed", f"{total.failed:,}", "bad" if total.failed else ""),
        ("tokens read", f"{total.tokens:,}", ""),
        ("tokens written", f"{total.output_tokens:,}", ""),
        ("cost", f"{total.cost:,.4f}" if total.cost else "0", ""),
    ]
    drawn = "".join(f'<div class="{kind}"><b>{value}</b>{name}</div>' for name, value, kind in tiles)
    return (
        f"<h1>{html.escape(_title(report))}</h1>\n"
        f'<p class="quiet">{html.escape(" ".join(about))}</p>\n<div class="tiles">{drawn}</div>'
    )


def place(call: Row) -> str:
    """The dbt node that asked, or the statement."""
    return str(call.get("node") or f"statement {call['statement']}")


def short(node: str) -> str:
    """model.shop.fct_topics → fct_topics."""
    parts = node.split(".")
    return parts[2] if len(parts) > 2 else node


def _bars(title: str, totals: Iterable[tuple[str, Total]]) -> str:
    rows = [
        Bar(name, (each.known, each.inferred, each.failed), _note(each)) for name, each in totals
    ]  # fmt: skip
    return legend(*KINDS) + bars(title, rows)


def _note(total: Total) -> str:
    failed = f", {total.failed:,} failed" if total.failed else ""
    return f"{total.inferred:,} inferred{failed}"


def _by_node(report: Report) -> str:
    totals = sorted(report.totals(place).items(), key=lambda pair: -pair[1].distinct_inputs)
    cut = (
        f'<p class="quiet">The {MOST_BARS} of {len(totals):,} with most inputs.</p>' if len(totals) > MOST_BARS else ""
    )
    chart = _bars("Inputs by dbt model or statement", [(short(name), each) for name, each in totals[:MOST_BARS]])
    rows = [
        [cell(short(node), hint=node), cell(function), cell(model), *_counts(each)]
        for (node, function, model), each in report.totals(
            lambda call: (place(call), call["function"], call["model"])
        ).items()
    ]
    whole = [cell("all"), cell(""), cell(""), *_counts(Total.of(report.calls))]
    table = table_html(["dbt model or statement", "function", "model", *_COUNTS], rows, whole)
    return f"<h2>What each model and statement asked</h2>\n{chart}{cut}\n{table}"


_COUNTS = ("rows", "distinct", "known", "inferred", "failed", "tokens read", "written", "seconds", "cost")


def _counts(total: Total) -> list[str]:
    numbers = (total.rows, total.distinct_inputs, total.known, total.inferred)
    return [
        *(cell(number) for number in numbers),
        cell(total.failed, kind="bad" if total.failed else ""),
        cell(total.tokens), cell(total.output_tokens), cell(seconds_text(total.seconds)), cell(f"{total.cost:,.4f}"),
    ]  # fmt: skip


def _by_function(report: Report) -> str:
    totals = report.totals(lambda call: call["function"])
    rows = [[cell(name), *_counts(each)] for name, each in totals.items()]
    return f"<h2>By function</h2>\n{table_html(['function', *_COUNTS], rows)}"


def _by_model(report: Report) -> str:
    rows = []
    for (model, fingerprint, device), each in report.totals(
        lambda call: (call["model"], call.get("fingerprint") or "", call.get("device") or "")
    ).items():
        rows.append(
            [
                cell(model, hint=fingerprint), cell(fingerprint[:12]), cell(device or "no device"), *_counts(each)[2:],
                cell(seconds_text(each.loading_seconds)),
            ]
        )  # fmt: skip
    titles = ["model", "fingerprint", "device", *_COUNTS[2:], "loading s"]
    return f"<h2>By foundation model</h2>\n{table_html(titles, rows)}"


def _when(report: Report) -> str:
    """Begins are known to the second, so a shorter stretch shows nothing."""
    calls = [call for call in report.calls if call["seconds"] > 0]
    if not calls:
        return ""
    start = min(began(call) for call in calls)
    if max(began(call) - start + call["seconds"] for call in calls) < 3:
        return ""
    longest = sorted(sorted(calls, key=lambda call: -call["seconds"])[:MOST_BARS], key=began)
    spans = [
        Span(
            f"{short(place(call))}: {call['function']}", began(call) - start, call["seconds"],
            call.get("loading_seconds") or 0.0, seconds_text(call["seconds"]) + " s",
        )
        for call in longest
    ]  # fmt: skip
    cut = f' <span class="quiet">The {MOST_BARS} longest of {len(calls):,}.</span>' if len(calls) > MOST_BARS else ""
    return f"<h2>When calls ran{cut}</h2>\n{legend('loading', 'running')}{timeline('When calls ran', spans)}"


def _certificates(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    targets = ["recall", "precision", "agreement", "probability"]
    titles = ["question", "function", "model", "proxy", *targets, "rows", "asked"]
    cells = [
        [cell(_rounded(row.get(title)), kind="text" if title == "question" else "") for title in titles] for row in rows
    ]
    return (
        "<h2>What cascades promised</h2>\n<p>Each target holds with its probability; asked: inputs that the exact "
        f"model answered.</p>\n{table_html(titles, cells)}"
    )


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _recent(report: Report) -> str:
    if len(report.recent) < 2:
        return ""
    chart = _bars("Inputs by run", report.recent)
    rows = [[cell(name), *_counts(each)] for name, each in report.recent]
    return f"<h2>The latest runs in this store</h2>\n{chart}\n{table_html(['run', *_COUNTS], rows)}"


def _footer() -> str:
    words = "".join(f"<li><b>{name}</b>: {html.escape(what)}</li>" for name, what in _WORDS)
    return f"<footer><ul>{words}</ul><p>Made by inlay {__version__}: inlay report</p></footer>\n</body>\n</html>\n"


def _distinct(calls: Iterable[Row], key: str) -> list[str]:
    return list(dict.fromkeys(str(call[key]) for call in calls if call.get(key)))
