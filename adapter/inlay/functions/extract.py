"""ai_extract: values out of a text, as JSON that is valid for a schema.

A model in this process is asked about each field for itself. Of a field that is a text it is asked which run of the
text's own words answers the question (backends/runs.py), and the field is NULL where none does so well enough. For any
other, and where verbatim := false frees the words, it is asked whether the text has it (presence.py), so that an absent
field is NULL and not invented, and then for the value. One behind an endpoint, or in vLLM, answers all fields in one
reply, and so does any where the schema is no object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from inlay.backends.base import Instruction
from inlay.backends.runs import Spans
from inlay.engine.resolve import Resolved
from inlay.errors import ConfigError
from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.instruction import call_instruction, language_model, option_text
from inlay.functions.labels import spelled_out
from inlay.functions.presence import Presence
from inlay.functions.prompt_files import PromptFile
from inlay.functions.prompts import prompts
from inlay.json_schema import ReplySchema, read_schema
from inlay.store.inputs import Inputs, each_with_each, text_inputs

NEUTRAL = "What is it about?"
"""What any text may be asked: a run that answers this as well answers nothing else."""

LEAST = -1.0
"""The score from which a run of words is an answer. Of whole numbers the best on three sets of 50 texts with four or
five fields each, of which a third to an eighth are there: bookings in restaurant8k and SNIPS, questions about the
weather in SNIPS, by SmolLM2-135M-Instruct. So are NEUTRAL alone, and backends/runs.py's AGAINST_OTHERS."""

# What a field's own schema may say and still be answered by words of the text: anything more is a form of its own.
_OF_A_TEXT = {"type", "description", "title"}
_DEFINITIONS = ("$defs", "definitions")


@dataclass(frozen=True)
class _Field:
    """question: as the model reads it. schema: JSON Schema of a value that is there, None where it is words of the
    text. absent: whether the text need not have it; the field is then null, or left out where it may not be null."""

    name: str
    question: str
    schema: str | None
    absent: bool
    nullable: bool


def bind(call: Call) -> Bound:
    language_model(call)
    if call.labels is None:
        raise ConfigError(
            f"{call.function}: schema is NULL. Say what to take out: {call.function}(body, {{'name': 'who wrote it?'}})"
            f", or {call.function}(body, 'STRUCT(name VARCHAR, age INTEGER)')."
        )
    schema = read_schema(call.function, call.labels)
    verbatim = call.options.get("verbatim") is None or call.flag("verbatim")
    if call.model.can("likelihoods") and "properties" in json.loads(schema.text):
        return _field_by_field(call, schema, verbatim)
    return _in_one_reply(call, schema)


def _in_one_reply(call: Call, schema: ReplySchema) -> Bound:
    if call.flag("verbatim"):
        raise ConfigError(
            f"{call.function}: verbatim := true is for a model in this process and a schema with fields; what "
            f"{call.model.name!r} writes here cannot be held to the words of the text. Leave verbatim out."
        )
    prompt = call.prompt("remote", "ai_extract").with_values(fields=_fields(schema))
    more = option_text(call, "instructions")
    instruction = call_instruction(call, f"{prompt.system}\n\n{more}" if more else prompt.system, schema.text)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        replies = ask.complete(instruction, prompts(prompt.user, inputs))
        return Answers(replies.rows, replies.errors, replies.known)

    return Bound(answer, {"version": 1, "user": prompt.user, "instruction": instruction.basis()})


def _fields(schema: ReplySchema) -> str:
    """The questions, one a line; where there are none, the schema's own words."""
    questions = "\n".join(f"- {name}: {' '.join(question.split())}" for name, question in schema.questions)
    return f"{questions}\n\nJSON Schema: {schema.text}" if questions else f"JSON Schema: {schema.text}"


def _field_by_field(call: Call, schema: ReplySchema, verbatim: bool) -> Bound:
    fields = _read_fields(schema, verbatim)
    more = option_text(call, "instructions")
    typed = call.prompt("typed", "ai_extract")
    spoken = call_instruction(call, more or typed.system)
    runs = _runs(call.prompt("", "ai_extract"), more, [field for field in fields if field.schema is None])
    formed = [(field, replace(spoken, schema=field.schema)) for field in fields if field.schema is not None]
    names = [spelled_out(field.name).lower() for field, _ in formed if field.absent]
    presence = Presence(call.prompt("present", "ai_extract"), names)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        found = _Found(inputs)
        if runs is not None:
            found.add_runs([field for field in fields if field.schema is None], ask.spans(runs, inputs))
        if formed:
            found.add_formed(formed, typed.user, presence, ask)
        values = [None if i in found.errors else _as_json(fields, row) for i, row in enumerate(found.values)]
        return Answers(values, found.errors, found.known)

    basis = {
        "version": 3,
        "schema": schema.text,
        "fields": [[field.name, field.question, field.schema, field.absent] for field in fields],
        "runs": None if runs is None else [asdict(runs), LEAST],
        "user": typed.user,
        "instruction": spoken.basis(),
        "present": presence.basis(),
    }
    return Bound(answer, basis)


def _runs(prompt: PromptFile, more: str | None, fields: Sequence[_Field]) -> Spans | None:
    if not fields:
        return None
    before, _, after = prompt.user.partition("{text}")
    if "{pair}" in before:
        raise ConfigError(
            f"the prompt of {prompt.name} has {{pair}} before {{text}}. The text is read once for all questions: put "
            "{text} first."
        )
    system = more or prompt.system
    before = before.format().removesuffix(" ")
    questions = tuple(field.question for field in fields)
    return Spans(f"{system}\n\n{before}" if system else before, after, questions, (NEUTRAL,))


class _Found:
    """The values of each text by field. errors: of a text, why it has none. known: what nothing was computed for."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.values: list[dict[str, Any]] = [{} for _ in range(len(inputs))]
        self.errors: dict[int, str] = {}
        self.known = np.ones(len(inputs), dtype=np.bool_)

    def add_runs(self, fields: Sequence[_Field], runs: Resolved) -> None:
        self.errors |= runs.errors
        self.known &= runs.known
        texts = self.inputs.values()
        for j, field in enumerate(fields):
            firsts, ends, scores = runs.rows[:, 3 * j : 3 * j + 3].T
            there = (ends > firsts) & ((scores > LEAST) | (not field.absent))
            for i in np.flatnonzero(there).tolist():
                self.values[i][field.name] = texts[i][int(firsts[i]) : int(ends[i])]

    def add_formed(
        self, fields: Sequence[tuple[_Field, Instruction]], template: str, presence: Presence, ask: Ask
    ) -> None:
        n, k = len(self.inputs), len(fields)
        is_there = np.ones((n, k), dtype=np.bool_)
        if presence.names:
            present = presence(self.inputs, ask)
            is_there[:, [j for j, (field, _) in enumerate(fields) if field.absent]] = present.is_there
            self.known &= present.known
            self.errors |= present.errors
        asked = each_with_each(self.inputs, text_inputs([field.question for field, _ in fields]))
        for instruction in dict.fromkeys(instruction for _, instruction in fields):
            mine = [j for j in range(k) if fields[j][1] == instruction]
            rows = [(i, j) for i in range(n) if i not in self.errors for j in mine if is_there[i, j]]
            if not rows:
                continue
            replies = ask.complete(instruction, prompts(template, asked.take(np.array([i * k + j for i, j in rows]))))
            for (i, j), reply, was_known in zip(rows, replies.rows, replies.known, strict=True):
                self.known[i] &= bool(was_known)
                if reply is not None:
                    self.values[i][fields[j][0].name] = json.loads(reply)
            for at, reason in replies.errors.items():
                self.errors.setdefault(rows[at][0], reason)


def _as_json(fields: Sequence[_Field], values: Mapping[str, Any]) -> str:
    """In the order of the schema."""
    whole = {field.name: values.get(field.name) for field in fields if field.name in values or field.nullable}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def _read_fields(schema: ReplySchema, verbatim: bool) -> list[_Field]:
    root = json.loads(schema.text)
    questions = dict(schema.questions)
    shared = {word: root[word] for word in _DEFINITIONS if word in root}
    fields = []
    for name, node in root["properties"].items():
        own, nullable = _without_null(node)
        is_text = verbatim and own.get("type") == "string" and set(own) <= _OF_A_TEXT
        question = " ".join(questions.get(name, "").split()) or f"{spelled_out(name)}?"
        own_schema = None if is_text else json.dumps({**shared, **own}, ensure_ascii=False, separators=(",", ":"))
        absent = nullable or name not in root.get("required", ())
        fields.append(_Field(name, question, own_schema, absent, nullable))
    return fields


def _without_null(node: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """(the schema of a value that is there, whether it may be null)."""
    kinds = node.get("type")
    if isinstance(kinds, list) and "null" in kinds:
        left = [kind for kind in kinds if kind != "null"]
        return {**node, "type": left[0] if len(left) == 1 else left}, True
    if "anyOf" in node:
        left = [branch for branch in node["anyOf"] if branch.get("type") != "null"]
        if len(left) < len(node["anyOf"]):
            return {**node, "anyOf": left}, True
    if "enum" in node and None in node["enum"] and len(node["enum"]) > 1:
        return {**node, "enum": [each for each in node["enum"] if each is not None]}, True
    return dict(node), False
