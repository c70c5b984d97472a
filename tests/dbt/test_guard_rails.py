"""The data tests of the package: each passes on one side of its limit and fails on the other."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("dbt.adapters.duckdb")

import duckdb
import yaml

from support.dbt_runs import Project
from support.macros_alone import Macros, Refused
from support.paths import TESTS


def lower_bound(n_right: int, n_rows: int, confidence: float) -> float:
    """Of Clopper and Pearson: the accuracy at which n_right or more of n_rows are right in 1 - confidence of draws."""
    low, high = 0.0, 1.0
    for _ in range(60):
        accuracy = (low + high) / 2
        likelihood = sum(
            math.comb(n_rows, i) * accuracy**i * (1 - accuracy) ** (n_rows - i) for i in range(n_right, n_rows + 1)
        )
        low, high = (accuracy, high) if likelihood <= 1 - confidence else (low, accuracy)
    return low


GOLD = {"gold": "ref('gold')", "key": "id"}
MONTHS = {"compare_to": "ref('june')", "compare_column": "earlier"}

# Name → model, column, test, arguments, where, failures that dbt counts.
CASES: dict[str, tuple[str, str, str, dict[str, Any], str | None, int]] = {
    "calibrated": ("answers", "guess", "calibration", {**GOLD, "probability": "probability", "at_most": 0.134}, None, 0),
    "uncalibrated": ("answers", "guess", "calibration", {**GOLD, "probability": "probability", "at_most": 0.133}, None, 1),
    "no_probability": ("answers", "guess", "calibration", {**GOLD, "probability": "id / 10"}, None, 1),
    "covered": ("answers", "label", "coverage", {"text": "body", "at_least": 0.994}, None, 0),
    "uncovered": ("answers", "label", "coverage", {"text": "body", "at_least": 0.995}, None, 1),
    "uncovered_at_all": ("answers", "label", "coverage", {"text": "body"}, None, 1),
    "covered_there": ("answers", "label", "coverage", {"text": "body"}, "id > 7", 0),
    "drifted": ("months", "topic", "label_drift", {**MONTHS, "at_most": 0.23}, "month = 'july'", 2),
    "drifted_less": ("months", "topic", "label_drift", {**MONTHS, "at_most": 0.24}, "month = 'july'", 0),
    "not_drifted": ("months", "topic", "label_drift", {**MONTHS, "at_most": 0.01}, "month = 'june'", 0),
    "agrees": ("answers", "label", "agreement", {"compare_to": "ref('answers')", "compare_column": "guess", "key": "id", "at_least": 0.944}, None, 0),
    "flips": ("answers", "label", "agreement", {"compare_to": "ref('answers')", "compare_column": "guess", "key": "id"}, None, 11),
    "agrees_with_itself": ("answers", "label", "agreement", {"compare_to": "ref('answers')", "key": "id", "at_least": 1}, None, 0),
    "a_key_twice": ("answers", "guess", "accuracy", {"gold": "ref('gold_twice')", "gold_column": "answer", "key": "id", "at_least": 0.5}, None, 1),
    "too_few_rows": ("answers", "guess", "accuracy", GOLD, "id < 5", 1),
    "no_row": ("answers", "guess", "accuracy", GOLD, "id > 150", 1),
    "abstains": ("answers", "label", "accuracy", {**GOLD, "gold_column": "guess", "at_least": 0.9, "unanswered": "skip"}, "id < 100", 0),
    "is_silent": ("answers", "label", "accuracy", {**GOLD, "gold_column": "guess", "at_least": 0.9}, "id < 100", 1),
}  # fmt: skip
for where, right, total in (("id < 100", 97, 100), ("id >= 0", 145, 150), ("id > 5 and id < 38", 32, 32)):
    for sure in (0.8, 0.95, 0.999):
        bound = lower_bound(right, total, sure)
        for name, at_least, failures in (("shown", bound - 1e-6, 0), ("not_shown", bound + 1e-6, 1)):
            options = {**GOLD, "at_least": at_least, "confidence": sure}
            CASES[f"{name}_{total}_{round(1000 * sure)}"] = ("answers", "guess", "accuracy", options, where, failures)


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, Any]]:
    project = Project(TESTS / "dbt" / "guard_rails", tmp_path_factory.mktemp("dbt"))
    models: dict[str, Any] = {}
    for name, (model, column, test, arguments, where, _) in CASES.items():
        entry = models.setdefault(model, {"name": model, "columns": []})
        config = {"store_failures": True} | ({"where": where} if where else {})
        entry["columns"].append(
            {"name": column, "data_tests": [{f"inlay.inlay_{test}": {"name": name, "arguments": arguments, "config": config}}]}
        )  # fmt: skip
    schema = {"version": 2, "models": list(models.values())}
    (project.folder / "models" / "schema.yml").write_text(yaml.safe_dump(schema), "utf-8")
    run = project.dbt("build")
    assert set(CASES) <= set(run.nodes), run.output
    return project, run.nodes


@pytest.mark.parametrize("name", CASES)
def test_a_guard_rail_fails_beyond_its_limit_alone(name: str, tested: tuple[Project, dict[str, Any]]) -> None:
    node, expected = tested[1][name], CASES[name][-1]
    assert node["status"] == ("fail" if expected else "pass"), node["message"]
    assert node["failures"] == expected


def test_failures_say_why_and_flipped_rows_are_kept(tested: tuple[Project, dict[str, Any]]) -> None:
    with duckdb.connect(str(tested[0].folder / "tests.duckdb"), read_only=True) as con:
        kept = "select problem from main_dbt_test__audit."
        problems = {
            name: con.execute(kept + name).fetchall()
            for name in ("too_few_rows", "no_row", "a_key_twice", "is_silent", "no_probability")
        }
        assert problems == {
            "too_few_rows": [("gold has too few rows to show this accuracy",)],
            "no_row": [("no row of gold is found by its key",)],
            "a_key_twice": [("gold has a key twice",)],
            "is_silent": [("too few right answers",)],
            "no_probability": [("an answer has no probability from 0 to 1",)],
        }
        # kept below the limit too
        for name in ("flips", "agrees"):
            rows = con.execute(
                f"select id, label, other_answer from main_dbt_test__audit.{name} order by id"
            ).fetchall()
            assert rows == [(i, None, "odd") for i in sorted({7, *range(19, 200, 20)})]


@pytest.mark.parametrize("value", [0, 1, 1.5, "0.9", True, None])
def test_a_share_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match="inlay_accuracy: at_least is .*; it must be a number between 0 and 1"):
        Macros()._check_share("inlay_accuracy", "at_least", value)
