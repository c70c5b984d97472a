"""Probabilities from a server: the share of each answer by the log-probabilities of a reply's first token."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from aiohttp import web

import inlay
from inlay.backends.openai.logprobs import NoLogprobs, shares_in
from inlay.backends.openai.reply import NoReply
from inlay.client.connection import Connection
from inlay.errors import ConfigError, EndpointError
from support.fault_server import MODEL, FaultServer
from support.server_behaviours import Asked, Behaviour, answer

LABELS = ["praise", "bug", "question"]


def with_tokens(*listed: tuple[str, float], before: tuple[str, ...] = ()) -> dict[str, Any]:
    """An answer whose reply may begin with these tokens, with these probabilities."""
    top = [{"token": token, "logprob": math.log(share) if share else -math.inf} for token, share in listed]
    content = [{"token": token, "logprob": 0.0, "top_logprobs": []} for token in before]
    content.append({**top[0], "top_logprobs": top})
    return {"choices": [{"index": 0, "logprobs": {"content": content}}]}


@pytest.mark.parametrize(
    ("options", "listed", "shares"),
    [
        (["yes", "no"], [("Yes", 0.6), (" yes", 0.2), ("No", 0.1), ("Maybe", 0.1)], [0.888889, 0.111111]),
        (["A", "B", "C"], [("B", 0.5), ("**A", 0.25), ("\n", 0.1)], [0.333333, 0.666667, 0.0]),
        (["positive", "negative", "neutral"], [("neg", 0.4), ("ne", 0.3), ("pos", 0.1)], [0.2, 0.8, 0.0]),
        (["yes", "no"], [("yes", 0.5), ("no", 0.0)], [1.0, 0.0]),
    ],
    ids=["spellings", "letters", "beginnings", "impossible"],
)
def test_a_token_counts_for_the_one_option_that_it_begins(
    options: list[str], listed: list[tuple[str, float]], shares: list[float]
) -> None:
    assert json.loads(shares_in(with_tokens(*listed), options)) == shares


def test_blanks_before_the_reply_are_passed_over() -> None:
    assert shares_in(with_tokens(("no", 1.0), before=("\n", ' "')), ["yes", "no"]) == "[0.0, 1.0]"


@pytest.mark.parametrize("listed", [[("The", 0.9)], [("ne", 0.9)], [("", 0.9)]])
def test_what_begins_no_option_is_no_answer(listed: list[tuple[str, float]]) -> None:
    with pytest.raises(NoReply):
        shares_in(with_tokens(*listed), ["negative", "neutral"])


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"content": []}, {"content": ["A"]}, [1]])
def test_a_server_without_log_probabilities_is_told_from_a_reply_without_answer(logprobs: Any) -> None:
    with pytest.raises(NoLogprobs):
        shares_in({"choices": [{"logprobs": logprobs}]}, ["A", "B"])


def leaning(asked: Asked) -> web.Response:
    """Leans to the label, or to yes or no, that the text ends with: .7, and the rest in equal parts."""
    assert asked.body["logprobs"] is True and asked.body["top_logprobs"] == 20
    assert "response_format" not in asked.body
    wanted = re.search(r"(\w+)\n</text", asked.content)
    listed = dict(re.findall(r"^([A-T])\. (\w+)", asked.content, re.MULTILINE))
    words = ("positive", "negative", "neutral") if "the one word" in asked.content else ("Yes", "No")
    tokens = list(listed) or words
    named = {token: listed.get(token, token).lower() for token in tokens}
    assert wanted is not None
    made = with_tokens(*((token, 0.7 if named[token] == wanted[1] else 0.3 / (len(tokens) - 1)) for token in tokens))
    return web.json_response(
        {
            **answer(asked, tokens[0], "length"),
            "choices": [{**answer(asked, "A", "length")["choices"][0], **made["choices"][0]}],
        }
    )


def connected(server: FaultServer, **settings: Any) -> Connection:
    model = {"source": f"openai:{MODEL}", "base_url": server.base_url, "logprobs": True, **settings}
    return inlay.connect(model="m", language_model="m", models={"m": model})


def test_every_judgement_has_its_probability() -> None:
    with FaultServer(behaviour=leaning) as server, connected(server) as con:
        rows = con.execute(
            f"select try_ai_classify(s, {LABELS}), try_ai_classify(s, {LABELS[::-1]}) from (values ('it is a bug'), ('much praise')) t(s)"
        ).fetchall()
        for (there, back), label in zip(rows, ("bug", "praise"), strict=True):
            assert there["value"] == back["value"] == label
            assert there["confidence"] == pytest.approx(0.7, abs=1e-6)
            assert there["scores"] == pytest.approx({each: 0.7 if each == label else 0.15 for each in LABELS}, abs=1e-6)
            assert back["scores"] == there["scores"]
        assert server.requests == 2  # the order of labels is no other question to the server
        yes, no = "('so yes')", "('so no')"
        judged = con.execute(
            "select ai_filter(s, 'x'), ai_filter(s, 'x', threshold := .8), ai_filter(s, 'x', threshold := .2), "
            f"ai_score(s, 'x') from (values {yes}, {no}) t(s)"
        ).fetchall()
        assert judged == [(True, False, True, pytest.approx(0.7)), (False, False, True, pytest.approx(0.3))]
        felt = con.execute("select try_ai_sentiment('so negative', levels := 3)").fetchone()[0]
        assert (felt["value"], felt["confidence"]) == ("negative", pytest.approx(0.7))


def test_each_question_of_a_decision_has_its_distribution() -> None:
    questions = (
        "{'kind': {'choice': ['praise', 'bug']}, 'size': {'levels': ['low', 'mid', 'bug']}, 'holds': 'it is so'}"
    )
    other = "{'kind': {'choice': ['bug', 'praise']}}"
    with FaultServer(behaviour=leaning) as server, connected(server) as con:
        sql = "from (values ('it is a bug')) t(s)"
        (made,) = con.execute(f"select ai_decide(s, {questions}) {sql}").fetchall()[0]
        assert server.requests == 3
        assert (made["kind"]["value"], made["kind"]["probability"]) == ("bug", pytest.approx(0.7))
        assert made["kind"]["distribution"] == pytest.approx({"bug": 0.7, "praise": 0.3})
        # Half of the probability of levels is reached in the last; of neither yes nor no the server has more.
        assert made["size"]["value"] == "bug"
        assert made["size"]["distribution"] == pytest.approx({"low": 0.15, "mid": 0.15, "bug": 0.7})
        assert made["holds"]["distribution"] == pytest.approx({"true": 0.5, "false": 0.5})
        con.execute(f"select ai_decide(s, {other}) {sql}").fetchall()
        assert server.requests == 3, "the order of labels is no other question to the server"
        (score,) = con.execute(f"select ai_score(s, 'size', levels := ['low', 'mid', 'bug']) {sql}").fetchall()[0]
        assert score == pytest.approx(0.15 * 0.5 + 0.7)
        many = [f"label {i}" for i in range(21)]
        server.behaviour = None
        con.execute(f"select ai_decide(s, {{'kind': {{'choice': {many}}}}}) {sql}").fetchall()
        assert "logprobs" not in server.bodies[-1]


def test_more_labels_than_a_server_lists_are_asked_for_in_words() -> None:
    labels = [f"label {i}" for i in range(21)]
    with FaultServer() as server, connected(server) as con:
        con.execute(f"select ai_classify('x', {labels})").fetchall()
        assert "logprobs" not in server.bodies[0]
        assert "response_format" in server.bodies[0]


def _without(asked: Asked) -> web.Response:
    return web.json_response(answer(asked, "A"))


def _refusing(asked: Asked) -> web.Response:
    told = {"error": {"message": "'logprobs' is not supported with this model", "param": "logprobs"}}
    return web.json_response(told, status=400)


@pytest.mark.parametrize(
    ("behaviour", "reason"), [(_without, "contains no logprobs"), (_refusing, "not supported with this model")]
)
def test_a_server_that_gives_none_ends_the_statement(behaviour: Behaviour, reason: str) -> None:
    with FaultServer(behaviour=behaviour) as server, connected(server) as con:
        with pytest.raises(EndpointError, match=reason) as raised:
            con.execute(
                f"select ai_classify(s, {LABELS}) from (select 'text ' || i from range(500) r(i)) t(s)"
            ).fetchall()
        assert "logprobs = false under [models.m]" in str(raised.value)
        assert server.requests <= 64


def test_without_the_setting_a_threshold_is_refused_with_what_to_set() -> None:
    with FaultServer() as server, connected(server, logprobs=False) as con:
        with pytest.raises(ConfigError, match=r"logprobs = true under \[models.m\]"):
            con.execute("select ai_filter('x', 'y', threshold := .5)").fetchall()
        assert server.requests == 0


def test_the_setting_is_refused_where_it_has_no_effect() -> None:
    model = {
        "source": "openai:tiny",
        "task": "embed",
        "base_url": "http://127.0.0.1:1/v1",
        "width": 8,
        "logprobs": True,
    }
    with pytest.raises(ConfigError, match="logprobs has no effect"), inlay.connect(models={"m": model}) as con:
        con.execute("select ai_embed('x', model := 'm')").fetchall()


def test_shares_are_kept_in_the_store(tmp_path: Any) -> None:
    with FaultServer(behaviour=leaning) as server:
        for expected in (1, 0):
            with inlay.connect(
                model="m",
                store=str(tmp_path / "kept"),
                models={"m": {"source": f"openai:{MODEL}", "base_url": server.base_url, "logprobs": True}},
            ) as con:
                before = server.requests
                assert con.execute(f"select ai_classify('a bug', {LABELS})").fetchall() == [("bug",)]
                assert server.requests - before == expected
