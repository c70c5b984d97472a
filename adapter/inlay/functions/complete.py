"""ai_complete: what a language model replies to a prompt."""

from __future__ import annotations

from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.instruction import call_instruction, language_model, option_text
from inlay.functions.prompts import prompts
from inlay.json_schema import read_schema
from inlay.store.inputs import Inputs


def bind(call: Call) -> Bound:
    language_model(call)
    given = call.options.get("schema")
    schema = None if given is None else read_schema(call.function, given).text
    # The caller says how long a reply may be, and takes what is written by then.
    system = option_text(call, "system") or ""
    instruction = call_instruction(call, system, schema, whole=schema is not None)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        replies = ask.complete(instruction, prompts("{text}", inputs))
        return Answers(replies.rows, replies.errors, replies.known)

    return Bound(answer, {"version": 1, "instruction": instruction.basis()})
