"""Every way in which servers answer, times every function: the right answer, or NULL and a listed reason.

server_behaviours.py has the ways. What is right is what the function answers where the server does nothing special.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import inlay
from inlay.errors import EndpointError
from support.fault_server import MODEL, FaultServer
from support.server_behaviours import FAILS, ONE_OF_BOTH, RIGHT, Behaviour

pytestmark = pytest.mark.usefixtures("short_waits")

LABELS = "['bug', 'praise', 'question']"
FUNCTIONS = {
    "complete": "ai_complete(s)",
    "complete_json": "ai_complete(s, schema := 'STRUCT(name VARCHAR, age INTEGER)')",
    "extract": "ai_extract(s, 'STRUCT(name VARCHAR, age INTEGER)')",
    "extract_json": "ai_extract_json(s, ['name', 'city'])",
    "classify": f"ai_classify(s, {LABELS})",
    "multi": f"ai_classify_multi(s, {LABELS})",
    "filter": "ai_filter(s, 'angry')",
    "score": "ai_score(s, 'angry')",
    "sentiment": "ai_sentiment(s)",
    "aspects": "ai_sentiment_by_aspect(s, ['price'])",
    "summarize": "ai_summarize(s)",
    "translate": "ai_translate(s, 'German')",
    "grammar": "ai_fix_grammar(s)",
    "redact": "ai_redact(s, model := 'm', categories := ['name'])",
    "pii": "ai_detect_pii(s, model := 'm', categories := ['name'])",
    "agg": "(select ai_agg(x, 'Which?') from (values (s), ('b')) g(x))",
    "summarize_agg": "(select ai_summarize_agg(x) from (values (s), ('b')) g(x))",
}
FREE_TEXT = {"complete", "summarize", "translate", "grammar", "agg", "summarize_agg"}
TEXT = "The parcel came late; is the lamp any good?"


def answered(behaviour: Behaviour, **endpoint: Any) -> tuple[dict[str, Any], dict[str, str], Any]:
    """(each function's answer; the reason that is listed of each that has none; the ledger's repaired replies)."""
    with FaultServer(behaviour=behaviour) as server:
        model = {"source": f"openai:{MODEL}", "base_url": server.base_url, "task": "generate", **endpoint}
        with inlay.connect(model="m", language_model="m", models={"m": model}) as con:
            calls = ", ".join(f"{call} as {name}" for name, call in FUNCTIONS.items())
            result = con.execute(f"select {calls} from (values ('{TEXT}')) t(s)")
            names = [column[0] for column in result.description]
            answers = dict(zip(names, result.fetchall()[0], strict=True))
            reasons: dict[str, str] = {}
            for function, error in con.execute('select "function", error from inlay_errors()').fetchall():
                for name, call in FUNCTIONS.items():
                    if f"{function}(" in call:
                        reasons.setdefault(name, error)
            repaired = con.execute("select sum(repaired) from inlay_ledger()").fetchone()[0]
    return answers, reasons, repaired


@cache
def right() -> dict[str, Any]:
    answers, reasons, repaired = answered(RIGHT["plain"])
    assert not reasons
    assert None not in answers.values()
    assert repaired == 0
    return answers


@pytest.mark.parametrize("name", RIGHT)
def test_a_server_that_says_it_otherwise_costs_no_row(name: str) -> None:
    answers, reasons, repaired = answered(RIGHT[name])
    assert reasons == {}
    if name.startswith("no system"):  # another message, so the fake model gives another answer
        assert None not in answers.values()
    else:
        assert answers == right()
    changes_json = ("JSON in", "a comma", "labels in", "a label", "numbers as")
    assert (repaired > 0) is name.startswith(changes_json)


@pytest.mark.parametrize("name", FAILS)
def test_what_is_no_answer_is_null_with_a_reason(name: str) -> None:
    behaviour, reason = FAILS[name]
    answers, reasons, _ = answered(behaviour)
    assert {each for each, value in answers.items() if value is not None} == set()
    assert reasons.keys() == FUNCTIONS.keys()
    for each in reasons.values():
        assert re.search(reason, each), each


@pytest.mark.parametrize("name", ONE_OF_BOTH)
def test_no_answer_is_invented(name: str) -> None:
    behaviour, reason = ONE_OF_BOTH[name]
    answers, reasons, _ = answered(behaviour)
    expected = right()
    for each, value in answers.items():
        if value is None:
            assert re.search(reason, reasons[each]), (each, reasons[each])
        elif each == "complete" and value != expected[each]:
            assert expected[each].startswith(value)  # its caller takes what is written by then
        else:
            assert value == expected[each], each
    assert None in answers.values()


@pytest.fixture
def dead() -> Iterator[str]:
    with FaultServer() as server:
        base_url = server.base_url
    yield base_url


def test_a_dead_server_fails_the_statement_and_keeps_what_was_answered(tmp_path: Path) -> None:
    with FaultServer(behaviour=RIGHT["plain"]) as server:
        model = {"source": f"openai:{MODEL}", "base_url": server.base_url, "task": "generate"}
        connected = inlay.connect(model="m", models={"m": model}, store=str(tmp_path), on_error="null")
        assert connected.execute("select count(ai_complete('row ' || i)) from range(20) t(i)").fetchone() == (20,)
    with connected as con:
        with pytest.raises(Exception, match="Nothing answers there|requests failed") as raised:
            con.execute("select count(ai_complete('row ' || i)) from range(60) t(i)").fetchall()
        assert isinstance(raised.value, EndpointError) or "EndpointError" in str(raised.value)
        assert con.execute("select count(ai_complete('row ' || i)) from range(20) t(i)").fetchone() == (20,)
