"""ai_extract: values out of a text, as JSON that is valid for a schema."""

from __future__ import annotations

from dataclasses import asdict

from inlay.errors import ConfigError
from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.instruction import call_instruction, language_model, option_text
from inlay.functions.prompt_files import prompt_file
from inlay.functions.prompts import prompts
from inlay.json_schema import ReplySchema, read_schema
from inlay.store.inputs import Inputs


def bind(call: Call) -> Bound:
    language_model(call)
    if call.labels is None:
        raise ConfigError(
            f"{call.function}: schema is NULL. Say what to take out: {call.function}(body, {{'name': 'who wrote it?'}})"
            f", or {call.function}(body, 'STRUCT(name VARCHAR, age INTEGER)')."
        )
    schema = read_schema(call.function, call.labels)
    prompt = prompt_file("ai_extract").with_values(fields=_fields(schema))
    more = option_text(call, "instructions")
    instruction = call_instruction(call, f"{prompt.system}\n\n{more}" if more else prompt.system, schema.text)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        replies = ask.complete(instruction, prompts(prompt.user, inputs))
        return Answers(replies.rows, replies.errors, replies.known)

    return Bound(answer, {"version": 1, "user": prompt.user, "instruction": asdict(instruction)})


def _fields(schema: ReplySchema) -> str:
    """The questions, one a line; where there are none, the schema's own words."""
    questions = "\n".join(f"- {name}: {' '.join(question.split())}" for name, question in schema.questions)
    return f"{questions}\n\nJSON Schema: {schema.text}" if questions else f"JSON Schema: {schema.text}"
