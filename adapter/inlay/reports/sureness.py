"""How sure answers are, in a page: the risk-coverage curve of each head and calibration, and what was not sure enough
to be answered."""

from __future__ import annotations

from collections.abc import Sequence

from inlay.execution.review import to_review
from inlay.functions.risk import Risk
from inlay.reports.charts import curve
from inlay.reports.runs import Report, Row
from inlay.reports.tables import cell, table_html

MOST_CURVES, MOST_INPUTS = 24, 100
EXCERPT = 500
"""Characters of an input that are shown."""

_PROMISES = (0.8, 0.9, 0.95, 0.99)


def curves_section(risks: Sequence[Risk]) -> str:
    """Right answers among the surest ones, by how many these are."""
    if not risks:
        return ""
    titles = ["head or calibration", "labelled rows", "right", "calibration error"]
    titles += [f"answered at {accuracy:g}" for accuracy in _PROMISES]
    rows = []
    for risk in risks:
        card, measures = risk.card, risk.card.measures
        of = f" of {card.judges.function}" if card.judges else ""
        rows.append(
            [
                cell(f"{card.name}{of}", hint=f"{card.name}@{card.version}"), cell(card.rows),
                cell(f"{measures['accuracy']:.1%}"), cell(f"{measures['calibration_error']:.3f}"),
                *(cell(f"{risk.promised(accuracy):.1%}") for accuracy in _PROMISES),
            ]
        )  # fmt: skip
    drawn = "".join(
        curve(risk.card.name, [(step.coverage, step.accuracy) for step in risk.steps()]) for risk in risks[:MOST_CURVES]
    )
    cut = f"<p>The first {MOST_CURVES} of {len(risks):,}.</p>" if len(risks) > MOST_CURVES else ""
    return (
        "<h2>How sure heads and calibrations are</h2>\n<p>Of labelled rows that were held out: the share that is right "
        "(upwards, from one half) among the surest, by the share of rows that these are (to the right). Answered at: "
        f'the share of rows that <code>accuracy</code> answers.</p>\n<div class="curves">{drawn}</div>{cut}\n'
        f"{table_html(titles, rows)}"
    )


def unsure_section(report: Report, *, with_inputs: bool) -> str:
    n = sum(call.get("unsure") or 0 for call in report.calls)
    if not n:
        return ""
    parts = [f"<h2>Not sure enough</h2>\n<p>{n:,} inputs got no answer, since it was not sure enough.</p>"]
    if with_inputs and report.unsure:
        rows = to_review(report.unsure, ())
        parts.append(table_html(["input", "likeliest", "confidence", "function", "model"], _rows(rows[:MOST_INPUTS])))
        if len(rows) > MOST_INPUTS:
            parts.append(f"<p>The first {MOST_INPUTS} of {len(rows):,}; all are in inlay_review().</p>")
    return "\n".join(parts)


def _rows(rows: Sequence[Row]) -> list[list[str]]:
    return [
        [
            cell(row["input"][:EXCERPT], kind="text"), cell(row["answer"] or ""),
            cell(f"{row['confidence'] or 0.0:.3f}"),
            cell(row["function"]), cell(row["model"]),
        ]
        for row in rows
    ]  # fmt: skip
