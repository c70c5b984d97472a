"""What a person reads of a plan: stage by stage what a model is asked, what was spared, and the statement that runs.

A number is either counted or estimated; of an estimate it is written what it depends on: answers that nobody knows yet.
"""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass, field
from typing import Any

from inlay.execution.records import CallWork
from inlay.explanation.cost import Costs
from inlay.tables import Table, plain_text

WIDTH = 100
"""Columns of the text. A call that is longer is cut."""


@dataclass(frozen=True)
class Stage:
    """A call that is answered ahead of the statement. at: which of the statement's calls it is, from 0.

    expected: None where that cannot be told beforehand, and then basis says why. Otherwise basis says what an estimate
    rests on, and is empty where everything was counted. beside: what a proxy did of the same call, by model.
    """

    number: int
    call: str
    model: str
    expected: CallWork | None
    basis: tuple[str, ...] = ()
    actual: CallWork | None = None
    beside: tuple[tuple[str, CallWork], ...] = ()
    at: int = 0

    @property
    def is_counted(self) -> bool:
        return self.expected is not None and not self.basis

    @property
    def asks_nothing(self) -> bool:
        """Whether it was counted that every answer is known."""
        return self.is_counted and self.expected is not None and not self.expected.to_infer


@dataclass(frozen=True)
class Step:
    """Something that was done to a statement, or a call that stays as it is: what, and the note or the reason."""

    what: str
    note: str


@dataclass(frozen=True)
class Explanation:
    """What a statement will ask of models, and how it runs. `str()` gives text; a notebook shows a tree.

    reason: why the statement runs as it is, empty where it is planned. stages: in the order in which they are
    answered. plain: calls that are made as rows come. unread: calls that are not made, since nothing reads their
    answers. rules: what was done to the statement. rows: how many would reach calls if all were made as rows come, by
    DuckDB's estimate. refused: what a limit will say. runs_as: the SQL that
    DuckDB gets; tables named _inlay_a… hold the answers. shape: the same for people, with answer_1(…) for a lookup.
    plans: what DuckDB's own EXPLAIN says of it, by key. ran: the statement was run, and actual says what calls did that
    were made as rows came.
    """

    statement: str
    runs_as: str
    shape: str = ""
    reason: str = ""
    stages: tuple[Stage, ...] = ()
    plain: tuple[Step, ...] = ()
    unread: tuple[str, ...] = ()
    rules: tuple[Step, ...] = ()
    costs: Costs = field(default_factory=Costs)
    rows: int | None = None
    refused: str = ""
    plans: tuple[tuple[str, str], ...] = ()
    ran: bool = False
    actual: CallWork | None = None
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """To read, as far as that is known beforehand."""
        return sum(stage.expected.tokens for stage in self.stages if stage.expected)

    def __str__(self) -> str:
        parts = [_head(self)]
        if self.stages:
            parts.append("\n".join(_table(self)))
        parts += [
            "\n".join([title, *(line for entry in entries for line in _wrapped(entry))])
            for title, entries in _sections(self)
        ]
        runs_as = textwrap.indent((self.shape or self.runs_as).strip(), "  ")
        hint = "\n  answer_1(…) looks call 1 up; the whole SQL is in .runs_as" if "answer_1(" in self.shape else ""
        parts.append(f"{'Ran' if self.ran else 'Runs'} as\n{runs_as}{hint}")
        return "\n\n".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return _html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def _head(explanation: Explanation) -> str:
    said = explanation
    if said.reason:
        rows = "" if said.rows is None else f", for about {said.rows:,} rows by DuckDB's estimate"
        calls = f"\nIts calls are made as rows come{rows}." if said.plain else ""
        return f"Not planned: {said.reason}.{calls}"
    counts = f"{_n(len(said.stages), 'call')} answered ahead of the statement"
    models = _models(said)
    if len(models) == 1:
        counts += f", by {models[0]}"
    if said.plain:
        counts += f"; {len(said.plain)} made as rows come"
    asked = sum(stage.expected.rows for stage in said.stages if stage.expected)
    if said.rows is None or said.rows <= asked:
        return f"Planned: {counts}."
    return f"Planned: {counts}.\nWithout the plan about {said.rows:,} rows would reach calls, by DuckDB's estimate."


def _models(said: Explanation) -> list[str]:
    return list(dict.fromkeys(stage.model for stage in said.stages))


def _bases(said: Explanation) -> list[str]:
    """What estimates rest on, each with the stages that do."""
    found: dict[str, list[str]] = {}
    for stage in said.stages:
        for basis in stage.basis:
            found.setdefault(basis, []).append(str(stage.number))
    return [f"{', '.join(stages)}: {basis}" for basis, stages in found.items()]


def _sections(said: Explanation) -> list[tuple[str, list[str]]]:
    """(title, lines) of what stands below the stages; both forms show the same."""
    sections = [
        ("Made as rows come", [] if said.reason else [f"{step.what}: {step.note}" for step in said.plain]),
        ("Not made", [f"{call}: nothing reads its answer" for call in said.unread]),
        ("Rules", [f"{step.what}: {step.note}" for step in said.rules]),
        ("Models, as expected" if said.ran and said.costs.models else "Models", _costs(said)),
        ("It ran", _run(said) if said.ran else []),
    ]
    return [(title, lines) for title, lines in sections if lines]


def _costs(said: Explanation) -> list[str]:
    """What models take, or that none is asked."""
    lines = [
        f"{each.model}: {_n(each.inputs, 'input')}, {_n(each.all_tokens, 'token')}, "
        + (_about(each.seconds) if each.seconds is not None else "seconds unknown")
        + f" ({each.source})"
        for each in said.costs.models
    ]
    if said.costs.cost:
        lines.append(f"cost: about {said.costs.cost:,.4f}")
    if said.refused:
        lines.append(f"would stop: {said.refused}")
    if lines or not said.stages or not all(stage.asks_nothing for stage in said.stages):
        return lines
    return ["Everything was known: no model ran." if said.ran else "Everything is known: no model runs."]


def _run(said: Explanation) -> list[str]:
    lines = [f"{_seconds(said.seconds)} in all, models included"]
    if said.actual is not None and said.actual.rows:
        work = said.actual
        lines.append(
            f"as rows came: {_n(work.rows, 'row')}, {work.distinct:,} distinct, {work.known:,} known, "
            f"{work.to_infer:,} inferred, {_n(work.tokens, 'token')}"
        )
    return lines


HEAD = ("", "call", "model", "rows", "distinct", "known", "to infer", "tokens", "", "")
_LEFT = (0, 1, 2, 9)


def _rows(said: Explanation) -> list[tuple[str, ...]]:
    """Cells of the table of stages; what was done under what was expected."""
    found: list[tuple[str, ...]] = []
    for stage in said.stages:
        work = stage.expected
        cells: tuple[str, ...] = ("?",) * 5
        if work is None:
            how = "unknown"
        else:
            mark = "" if stage.is_counted else "~"
            cells = tuple(mark + f"{n:,}" for n in (work.rows, work.distinct, work.known, work.to_infer, work.tokens))
            how = "counted" if stage.is_counted else "estimated"
        found.append((str(stage.number), _one_line(stage.call), stage.model, *cells, "", how))
        if said.ran:
            for who, done in (("", stage.actual or CallWork()), *stage.beside):
                numbers = (done.rows, done.distinct, done.known, done.to_infer + done.failed, done.tokens)
                how = "actual" + (f", {done.failed:,} failed" if done.failed else "")
                by = f"by the proxy {who}" if who else ""
                found.append(("", by, "", *(f"{n:,}" for n in numbers), _seconds(done.seconds), how))
    return found


def _table(said: Explanation) -> list[str]:
    rows = [HEAD, *_rows(said)]
    kept = [i for i in range(len(HEAD)) if any(row[i] for row in rows) and not (i == 2 and len(_models(said)) == 1)]
    titles, *cells = ([row[i] for i in kept] for row in rows)
    table = Table(titles, cells, numbers=[at for at, i in enumerate(kept) if i not in _LEFT])
    lines = [plain_text(table, width=WIDTH, gives_way={kept.index(1): 24})]
    for basis in _bases(said):
        lines += _wrapped(basis)
    return lines


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False) or [""]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _n(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _about(seconds: float) -> str:
    return _seconds(seconds) if seconds < 0.01 else f"about {_seconds(seconds)}"


def _seconds(seconds: float) -> str:
    if seconds < 0.01:
        return "<0.01 s"
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"


# Colours are the page's own, and grey that is seen on white and on black.
_LINE = "border-bottom:1px solid rgba(128,128,128,.35)"
_CELL = f"padding:2px 10px;{_LINE};background:none;color:inherit;white-space:nowrap;"
_SUMMARY = "cursor:pointer;font-weight:600;margin-top:.4em"


def _html(said: Explanation) -> str:
    made = [f'<div style="margin-bottom:.3em">{_escaped(_head(said))}</div>']
    if said.stages:
        head = "".join(_cell("th", title, i) for i, title in enumerate(HEAD))
        rows = "".join(
            "<tr>" + "".join(_cell("td", text, i) for i, text in enumerate(row)) + "</tr>" for row in _rows(said)
        )
        made.append(f'<table style="border-collapse:collapse"><tr>{head}</tr>{rows}</table>')
        made += [f'<div style="opacity:.75;margin-left:1em">{_escaped(basis)}</div>' for basis in _bases(said)]
    for title, lines in _sections(said):
        items = "".join(f"<li>{_escaped(line)}</li>" for line in lines)
        made.append(_folded(title, f'<ul style="margin:.2em 0 0 0">{items}</ul>', is_open=True))
    verb = "Ran" if said.ran else "Runs"
    if said.shape:
        made.append(_folded(f"{verb} as", _code(said.shape), is_open=True))
    made.append(_folded(f"{verb} as, in full" if said.shape else f"{verb} as", _code(said.runs_as), is_open=False))
    for key, plan in said.plans:
        made.append(_folded(f"DuckDB's {key.replace('_', ' ')}", _code(plan), is_open=False))
    return f'<div style="color:inherit;text-align:left;line-height:1.45">{"".join(made)}</div>'


def _cell(tag: str, text: str, column: int) -> str:
    side = "left" if column in _LEFT else "right"
    code = ";font-family:monospace;white-space:normal" if column == 1 and tag == "td" else ""
    return f'<{tag} style="{_CELL}text-align:{side}{code}">{_escaped(text)}</{tag}>'


def _folded(title: str, inside: str, *, is_open: bool) -> str:
    return f'<details{" open" * is_open}><summary style="{_SUMMARY}">{_escaped(title)}</summary>{inside}</details>'


def _code(text: str) -> str:
    style = "margin:.2em 0 0 1em;background:none;color:inherit;white-space:pre-wrap"
    return f'<pre style="{style}">{html.escape(text.strip())}</pre>'


def _escaped(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")
