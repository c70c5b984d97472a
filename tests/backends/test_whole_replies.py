"""What counts as an answer among replies, whoever gave them; the ways of servers are in test_server_behaviours.py."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

import inlay
from inlay.backends.base import Instruction, Reply
from inlay.backends.openai.habits import Habits
from inlay.backends.whole_reply import NotWhole, whole
from inlay.cli.main import main
from inlay.engine.question import numbers_question, replies_question
from inlay.json_schema import repaired
from inlay.models.describe import describe
from inlay.settings.read import read_settings
from inlay.store.inputs import text_inputs
from inlay.store.results import Store
from inlay.thoughts import OnlyThoughts, without_thoughts

TAGGED = "Explain <think> and </think>."


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("plain", "plain"),
        ("<think>a</think>b", "b"),
        ("<THINK>\na\n</THINK>\n\n b ", "b "),
        ("Okay.\n<think>a</think>b", "b"),
        ("a</think>b", "b"),
        ("analysis of the text", "analysis of the text"),
    ],
)
def test_thoughts_are_no_part_of_an_answer(reply: str, answer: str) -> None:
    assert without_thoughts(reply) == answer
    assert without_thoughts(answer) == answer


@pytest.mark.parametrize("reply", ["<think>a", "a <think>b", "<|channel|>analysis<|message|>a<|end|>"])
def test_thoughts_alone_are_no_answer(reply: str) -> None:
    with pytest.raises(OnlyThoughts):
        without_thoughts(reply)


def test_marks_of_the_text_itself_stay_where_they_can_be_told_from_thoughts() -> None:
    assert without_thoughts("Of <think> and </think> it is said", TAGGED) == "Of <think> and </think> it is said"
    for reply in ("<think>a</think> is a pair of tags", "thoughts</think>the tags"):
        with pytest.raises(OnlyThoughts, match="the text has the same marks"):
            without_thoughts(reply, TAGGED)


def test_a_tag_in_a_value_is_no_thought() -> None:
    schema = json.dumps({"type": "object", "properties": {"tag": {"type": "string"}}, "required": ["tag"]})
    reply = whole(Instruction(schema=schema), "", Reply('{"tag": "<think>"}'))
    assert reply.text == '{"tag":"<think>"}'


ANSWER = json.dumps(
    {"type": "object", "properties": {"answer": {"enum": ["bug", "Bug fix", "BUG FIX"]}}, "required": ["answer"]}
)
AGE = json.dumps(
    {
        "type": "object",
        "properties": {"age": {"type": ["integer", "null"]}, "n": {"type": "string"}},
        "required": ["age"],
    }
)


@pytest.mark.parametrize(
    ("schema", "reply", "value"),
    [
        (ANSWER, '{"answer": "BUG"}', {"answer": "bug"}),
        (ANSWER, "**Bug**", {"answer": "bug"}),
        (ANSWER, "Bug fix", {"answer": "Bug fix"}),
        (ANSWER, "bug fix", None),  # two labels differ by case alone
        (ANSWER, '{"answer": "bug fix"}', None),
        (ANSWER, "no bug", None),
        (ANSWER, '{"answer": "bug"} {"answer": "bug"}', None),
        (ANSWER, 'a {"answer": {"answer": "bug"}', None),  # broken, though there is an object inside
        (ANSWER, '{"answer": "bug", "answer": "bug"}', None),
        (AGE, '{"age": "3",}', {"age": 3}),
        (AGE, '{"age": "3 years"}', None),
        (AGE, '{"age": "03"}', None),
        (AGE, '{"age": 3, "n": "4"}', {"age": 3, "n": "4"}),
        (AGE, '{"age": "1e999"}', None),
        (AGE, '{"age": "NaN"}', None),
        ('{"type": "array", "items": {"type": "boolean"}}', 'So: ["True", false]', [True, False]),
        ('{"type": "integer"}', '"3"', 3),
        ('{"type": "integer"}', "3 or 4", None),
    ],
)  # fmt: skip
def test_a_reply_is_read_where_it_means_one_thing_alone(schema: str, reply: str, value: object) -> None:
    text = repaired(schema, reply)
    assert (None if text is None else json.loads(text)) == value


def test_a_number_that_nobody_has_ended_may_go_on() -> None:
    instruction = Instruction(schema='{"type": "integer"}')
    assert whole(instruction, "", Reply("12")).text == "12"
    with pytest.raises(NotWhole, match="does not say"):
        whole(instruction, "", Reply("12", ended=None))


ENGLISH = "The parcel came late and the box was torn, so we would like our money back. " * 40


@pytest.mark.parametrize("before", [(), ("很好的产品" * 300,), (ENGLISH,)])
def test_a_cut_prompt_is_seen_by_its_tokens(before: tuple[str, ...]) -> None:
    habits = Habits()
    for text in before:
        assert not habits.has_cut(text, len(text) if text != ENGLISH else len(text) // 4)
    assert not habits.has_cut(ENGLISH, len(ENGLISH) // 5)
    assert not habits.has_cut("=" * 10_000, 120)
    assert not habits.has_cut("Name a colour.", 4)
    assert habits.has_cut(ENGLISH, len(ENGLISH) // 20)


def test_verify_finds_what_earlier_versions_took_for_answers(tmp_path: Path) -> None:
    models = read_settings(environment={}).models
    store = Store(str(tmp_path), "read-write")
    inputs = text_inputs(["a", "b"])
    numbers = numbers_question(describe(models["fake"]))
    replies = replies_question(describe(models["fake-generate"]), Instruction())
    keys = text_inputs(["", ""], ["a", "b"], ["", ""]).keys
    numbers.result_set_in(store).publish(
        inputs.keys, pa.table({"value": pa.array([[float("nan")] * 8, [1.0] * 8], pa.list_(pa.float32()))})
    )
    replies.result_set_in(store).publish(keys, pa.table({"value": ["<think>a", "b"]}))
    assert main(["store", "verify", "--store", str(tmp_path)]) != 0
    assert main(["store", "verify", "--quarantine", "--store", str(tmp_path)]) != 0
    assert main(["store", "verify", "--store", str(tmp_path)]) == 0
    with inlay.connect(model="fake", store=str(tmp_path)) as con:
        assert con.execute("select ai_complete('a', model := 'fake-generate')").fetchone() == ("fake: a",)
