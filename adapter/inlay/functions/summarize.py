"""ai_summarize, and the aggregates ai_summarize_agg and ai_agg: one reply to a text, or to many.

What does not fit the model at once is read in parts: see in_parts.py. An aggregate's texts come as one JSON list,
sorted, so that the same rows in another order are the same input. Of a summary with more words than it may have the
sentences that fit are kept; where not even the first fits, the row fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict

from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.in_parts import Templates, reply_to_all
from inlay.functions.instruction import call_instruction, language_model, whole_number
from inlay.store.inputs import Inputs

_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]]*(?=\s|$)")


def bind_summarize(call: Call) -> Bound:
    return _bind(call, lambda text: [text], words=_most_words(call))


def bind_summarize_agg(call: Call) -> Bound:
    return _bind(call, _group_texts, words=_most_words(call))


def bind_agg(call: Call) -> Bound:
    return _bind(call, _group_texts)


def sentences_within(text: str, words: int) -> str | None:
    """The text where it has at most so many words, or as many of its first sentences as have; None where none has.

    >>> sentences_within("It came late. The box was torn.", 4)
    'It came late.'
    """
    if len(text.split()) <= words:
        return text
    ends = [end.end() for end in _SENTENCE_END.finditer(text)]
    return next((text[:end] for end in reversed(ends) if len(text[:end].split()) <= words), None)


def _group_texts(group: str) -> list[str]:
    """What the macro hands over is a JSON list of the values: texts, and anything else as its JSON."""
    values = json.loads(group)
    return [
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        for value in values
    ]


def _bind(call: Call, texts_of: Callable[[str], list[str]], words: int | None = None) -> Bound:
    language_model(call)
    values = {} if words is None else {"length": f" in at most {words} words" if words else ""}
    file = call.prompt()
    situations = {"at_once": "", "part": "part", "together": "together"}
    templates = Templates(**{name: call.prompt(each).with_values(**values).user for name, each in situations.items()})
    instruction = call_instruction(call, file.system)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        pairs: list[str | None] = inputs.values(1) if len(inputs.columns) > 1 else [None] * len(inputs)
        groups = [texts_of(text) for text in inputs.values()]
        replies, errors, known = reply_to_all(groups, pairs, templates, instruction, ask)
        return Answers(*_within(words, replies, errors), known)

    return Bound(answer, {"version": 1, "prompts": asdict(templates), "instruction": instruction.basis()})


def _most_words(call: Call) -> int:
    """0: as many as the model writes."""
    return whole_number(call, "max_words", 0, least=1)


def _within(
    words: int | None, replies: list[str | None], errors: dict[int, str]
) -> tuple[list[str | None], dict[int, str]]:
    if not words:
        return replies, errors
    kept = [None if reply is None else sentences_within(reply, words) for reply in replies]
    too_long = {
        i: f"the summary has {len(reply.split()):,} words, its first sentence more than max_words := {words}: {reply!r}"
        for i, reply in enumerate(replies)
        if reply is not None and kept[i] is None
    }
    return kept, {**errors, **too_long}
