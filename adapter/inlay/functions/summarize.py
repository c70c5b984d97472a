"""ai_summarize, and the aggregates ai_summarize_agg and ai_agg: one reply to a text, or to many.

What does not fit the model at once is read in parts: see in_parts.py. An aggregate's texts come as one JSON list,
sorted, so that the same rows in another order are the same input.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.in_parts import Templates, reply_to_all
from inlay.functions.instruction import call_instruction, language_model, whole_number
from inlay.store.inputs import Inputs


def bind_summarize(call: Call) -> Bound:
    return _bind(call, lambda text: [text], length=_length(call))


def bind_summarize_agg(call: Call) -> Bound:
    return _bind(call, _group_texts, length=_length(call))


def bind_agg(call: Call) -> Bound:
    return _bind(call, _group_texts)


def _group_texts(group: str) -> list[str]:
    """What the macro hands over is a JSON list of the values: texts, and anything else as its JSON."""
    values = json.loads(group)
    return [
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        for value in values
    ]


def _bind(call: Call, texts_of: Callable[[str], list[str]], **values: str) -> Bound:
    language_model(call)
    file = call.prompt()
    situations = {"at_once": "", "part": "part", "together": "together"}
    templates = Templates(**{name: call.prompt(each).with_values(**values).user for name, each in situations.items()})
    instruction = call_instruction(call, file.system)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        pairs: list[str | None] = inputs.values(1) if len(inputs.columns) > 1 else [None] * len(inputs)
        return Answers(*reply_to_all([texts_of(text) for text in inputs.values()], pairs, templates, instruction, ask))

    return Bound(answer, {"version": 1, "prompts": asdict(templates), "instruction": instruction.basis()})


def _length(call: Call) -> str:
    words = whole_number(call, "max_words", 0, least=1)
    return f" in at most {words} words" if words else ""
