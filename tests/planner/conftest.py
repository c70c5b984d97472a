"""Prints what the statements of a run come to, whichever processes ran them."""

from __future__ import annotations

from typing import Any

from support.splice_figures import together


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    parts = [value for report in reports for name, value in report.user_properties if name == "figures"]
    if parts:
        terminalreporter.section("planned and plain")
        terminalreporter.write_line(str(together(parts)))
