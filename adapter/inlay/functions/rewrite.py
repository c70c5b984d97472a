"""ai_translate and ai_fix_grammar: a text put otherwise by a language model."""

from __future__ import annotations

from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.instruction import call_instruction, language_model, option_text
from inlay.functions.prompt_files import prompt_file
from inlay.functions.prompts import prompts
from inlay.store.inputs import Inputs


def bind_translate(call: Call) -> Bound:
    source = option_text(call, "source")
    return _bind(call, source=f" from {source}" if source else "")


def bind_fix_grammar(call: Call) -> Bound:
    return _bind(call)


def _bind(call: Call, **values: str) -> Bound:
    language_model(call)
    prompt = prompt_file(call.function).with_values(**values)
    instruction = call_instruction(call, prompt.system)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        replies = ask.complete(instruction, prompts(prompt.user, inputs))
        return Answers([text if text is None else text.strip() for text in replies.rows], replies.errors, replies.known)

    return Bound(answer, {"version": 1, "user": prompt.user, "instruction": instruction.basis()})
