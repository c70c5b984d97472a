"""ai_translate and ai_fix_grammar: a text put otherwise by a language model."""

from __future__ import annotations

from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.echoes import instructions_of, without_echoes
from inlay.functions.instruction import call_instruction, language_model, option_text
from inlay.functions.prompts import prompts
from inlay.store.inputs import Inputs


def bind_translate(call: Call) -> Bound:
    source = option_text(call, "source")
    return _bind(call, source=f" from {source}" if source else "")


def bind_fix_grammar(call: Call) -> Bound:
    return _bind(call)


def _bind(call: Call, **values: str) -> Bound:
    language_model(call)
    prompt = call.prompt().with_values(**values)
    instruction = call_instruction(call, prompt.system)
    asked = instructions_of(prompt.system, prompt.user)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        replies = ask.complete(instruction, prompts(prompt.user, inputs))
        values, errors = without_echoes(replies.rows, replies.errors, asked)
        return Answers(values, errors, replies.known)

    return Bound(answer, {"version": 1, "user": prompt.user, "instruction": instruction.basis()})
