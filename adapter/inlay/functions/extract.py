"""ai_extract: values out of a text, as JSON that is valid for a schema.

A model in this process is asked about each field for itself: first whether the text has it (presence.py), so that an
absent field is NULL and not invented; then for the value, whose words are the text's own where the field is a text
(verbatim := false frees them). One behind an endpoint, or in vLLM, answers all fields in one reply,
and so does any where the schema is no object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inlay.arrays import Bools
from inlay.backends.base import Instruction
from inlay.errors import ConfigError
from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.instruction import call_instruction, language_model, option_text
from inlay.functions.labels import spelled_out
from inlay.functions.presence import Presence
from inlay.functions.prompts import prompts
from inlay.json_schema import ReplySchema, read_schema
from inlay.store.inputs import Inputs, each_with_each, text_inputs

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
    in_words, typed, present = (call.prompt(each, "ai_extract") for each in ("", "typed", "present"))
    presence = Presence(present, [spelled_out(field.name).lower() for field in fields if field.absent])
    spoken = call_instruction(call, more or in_words.system)
    instructions = [
        replace(spoken, verbatim=1) if field.schema is None else replace(spoken, schema=field.schema)
        for field in fields
    ]
    templates = [in_words.user if field.schema is None else typed.user for field in fields]

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        return _answered(inputs, ask, fields, presence, instructions, templates)

    basis = {
        "version": 2,
        "schema": schema.text,
        "fields": [[field.name, field.question, field.schema, field.absent] for field in fields],
        "users": templates,
        "instruction": spoken.basis(),
        "present": presence.basis(),
    }
    return Bound(answer, basis)


def _answered(
    inputs: Inputs,
    ask: Ask,
    fields: Sequence[_Field],
    presence: Presence,
    instructions: Sequence[Instruction],
    templates: Sequence[str],
) -> Answers:
    n, k = len(inputs), len(fields)
    asked = each_with_each(inputs, text_inputs([field.question for field in fields]))
    is_there = np.ones((n, k), dtype=np.bool_)
    errors: dict[int, str] = {}
    known = np.ones(n, dtype=np.bool_)
    maybe = [j for j in range(k) if fields[j].absent]
    if maybe:
        found = presence(inputs, ask)
        is_there[:, maybe] = found.is_there
        known &= found.known
        errors |= found.errors
    # A blank text, where one is asked about, has no words to take.
    blank = np.array([not text.strip() for text in inputs.values()], dtype=np.bool_)
    for j, field in enumerate(fields):
        if field.absent and field.schema is None:
            is_there[blank, j] = False
    values: list[dict[str, Any]] = [{} for _ in range(n)]
    for instruction, template in dict.fromkeys(zip(instructions, templates, strict=True)):
        mine = [j for j in range(k) if (instructions[j], templates[j]) == (instruction, template)]
        rows = [(i, j) for i in range(n) if i not in errors for j in mine if is_there[i, j]]
        if not rows:
            continue
        replies = ask.complete(instruction, prompts(template, asked.take(np.array([i * k + j for i, j in rows]))))
        for (i, j), reply, was_known in zip(rows, replies.rows, replies.known, strict=True):
            known[i] &= bool(was_known)
            if reply is not None:
                values[i][fields[j].name] = reply.strip() if instruction.schema is None else json.loads(reply)
        for at, reason in replies.errors.items():
            errors.setdefault(rows[at][0], reason)
    return Answers([None if i in errors else _as_json(fields, values[i]) for i in range(n)], errors, _bools(known))


def _bools(known: Any) -> Bools:
    return np.asarray(known, dtype=np.bool_)


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
