"""Charts as SVG inside a page: bars of known, inferred and failed inputs, and when calls ran. Colours and fonts are of
the page's style sheet."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _ROW = 960, 24
_LABELS, _NUMBERS = 260, 190  # left and right of the bars
_LABEL_CHARACTERS = 38
KINDS = ("known", "inferred", "failed")


@dataclass(frozen=True)
class Bar:
    """parts: known, inferred and failed inputs. note: stands right of the bar."""

    label: str
    parts: tuple[int, int, int]
    note: str


@dataclass(frozen=True)
class Span:
    """When a call ran, in seconds from the first one's begin. loading: of these, until its model was there."""

    label: str
    begin: float
    seconds: float
    loading: float
    note: str


def bars(title: str, rows: Sequence[Bar]) -> str:
    """One bar per row, all to the same scale."""
    longest = max((sum(row.parts) for row in rows), default=0) or 1
    drawn = []
    for i, row in enumerate(rows):
        at = float(_LABELS)
        drawn.append(_label(i, row.label))
        for kind, part in zip(KINDS, row.parts, strict=True):
            width = part / longest * (_WIDTH - _LABELS - _NUMBERS)
            if part:
                drawn.append(_rectangle(i, at, max(width, 1.5), kind, f"{row.label}: {part:,} {kind}"))
            at += width
        drawn.append(_text(at + 8, i, row.note, "note"))
    return _svg(title, len(rows), drawn)


def timeline(title: str, spans: Sequence[Span]) -> str:
    """One line per call, from left to right in time."""
    end = max((span.begin + span.seconds for span in spans), default=0.0) or 1.0
    scale = (_WIDTH - _LABELS - _NUMBERS) / end
    drawn = []
    for i, span in enumerate(spans):
        at = _LABELS + span.begin * scale
        loading = min(span.loading, span.seconds)
        drawn.append(_label(i, span.label))
        for kind, begin, seconds in (("loading", 0.0, loading), ("running", loading, span.seconds - loading)):
            if seconds > 0:
                x, width = at + begin * scale, max(seconds * scale, 1.5)
                drawn.append(_rectangle(i, x, width, kind, f"{span.label}: {seconds:,.1f} s {kind}"))
        drawn.append(_text(at + span.seconds * scale + 8, i, span.note, "note"))
    return _svg(title, len(spans), drawn)


def curve(title: str, points: Sequence[tuple[float, float]]) -> str:
    """A line from left to right: x from 0 to 1, y from one half to 1; what is lower lies on the bottom."""
    width, height, pad = 280, 190, 28
    at = [
        (pad + x * (width - 2 * pad), height - pad - (max(y, 0.5) - 0.5) * 2 * (height - 2 * pad)) for x, y in points
    ]  # fmt: skip
    lines = [
        f'<line class="grid" x1="{pad}" x2="{width - pad}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="label small" x="{pad - 4}" y="{y + 4:.1f}">{share}</text>'
        for share in (".5", ".75", "1")
        for y in [height - pad - (float(share) - 0.5) * 2 * (height - 2 * pad)]
    ]
    hint = "; ".join(f"{x:.0%} answered, {y:.1%} right" for x, y in points[9::10])
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">'
        f"<title>{html.escape(title)}: {html.escape(hint)}</title>{''.join(lines)}"
        f'<polyline class="line" points="{drawn}"/>'
        f'<text x="{pad}" y="16">{html.escape(title)}</text>'
        f'<text class="small" x="{pad}" y="{height - 8}">0</text>'
        f'<text class="label small" x="{width - pad}" y="{height - 8}">all answered</text></svg>'
    )


def legend(*kinds: str) -> str:
    return (
        '<p class="legend">' + "".join(f'<span><i class="{kind}"></i>{html.escape(kind)}</span>' for kind in kinds)
    ) + "</p>"


def _svg(title: str, n_rows: int, drawn: Sequence[str]) -> str:
    height = n_rows * _ROW + 4
    return (
        f'<div class="wide"><svg class="rows" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{html.escape(title)}"><title>{html.escape(title)}</title>{"".join(drawn)}</svg></div>'
    )


def _label(row: int, text: str) -> str:
    shown = text if len(text) <= _LABEL_CHARACTERS else text[: _LABEL_CHARACTERS - 1] + "…"
    return _text(_LABELS - 10, row, shown, "label", text)


def _text(x: float, row: int, text: str, kind: str, whole: str = "") -> str:
    hint = f"<title>{html.escape(whole)}</title>" if whole else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{row * _ROW + 16}">{html.escape(text)}{hint}</text>'


def _rectangle(row: int, x: float, width: float, kind: str, hint: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{row * _ROW + 4}" width="{width:.1f}" height="{_ROW - 8}" rx="2">'
        f"<title>{html.escape(hint)}</title></rect>"
    )
