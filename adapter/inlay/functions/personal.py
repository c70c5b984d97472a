"""ai_detect_pii and ai_redact: where personal data is in a text, and the text without it.

The model named 'rules' finds what patterns and checksums can prove (inlay.pii) and needs nothing. A language model
finds other categories as well, such as names and addresses; the categories of the rules are still found by the rules. A
piece that the model names but that is not in the text fails the row: it would stay unredacted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from inlay.errors import ConfigError
from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.instruction import call_instruction, language_model
from inlay.functions.judged import object_schema
from inlay.functions.prompt_files import prompt_file
from inlay.functions.prompts import prompts
from inlay.pii import CATEGORIES, VERSION, Span, find_pii, read_categories, redact, without
from inlay.store.inputs import Inputs

ValueOf = Callable[[str, list[Span]], Any]
"""What a function answers for a text and its spans, which are in order and do not overlap."""

ByRules = Callable[[str, Sequence[str]], Any]
"""What a function answers for a text by the rules of these categories alone."""


def bind_detect(call: Call) -> Bound:
    return _bind(call, lambda text, spans: _rows(spans), lambda text, categories: _rows(find_pii(text, categories)))


def bind_redact(call: Call) -> Bound:
    return _bind(call, without, redact)


def _bind(call: Call, value_of: ValueOf, by_rules: ByRules) -> Bound:
    if call.model.can("rules"):
        try:
            known = read_categories(call.function, call.options.get("categories"))
        except ConfigError as error:
            raise ConfigError(f"{error} These need no model; a language model finds others: model := '…'.") from None

        def answer_by_rules(inputs: Inputs, ask: Ask) -> Answers:
            values = [by_rules(text, known) for text in inputs.values()]
            return Answers(values, {}, np.zeros(len(values), dtype=np.bool_))

        return Bound(answer_by_rules, {"version": 1, "rules": VERSION, "categories": list(known)})
    categories = _categories(call)
    proven = tuple(name for name in CATEGORIES if name in categories)
    by_model = tuple(name for name in categories if name not in CATEGORIES)
    language_model(call)
    if not by_model:
        raise ConfigError(
            f"{call.function}: the rules find {', '.join(proven)} without a model. Leave model out, or give categories "
            "that only a language model finds: categories := ['name', 'address', 'email']."
        )
    prompt = prompt_file("ai_detect_pii").with_values(categories=", ".join(by_model))
    piece = object_schema(category={"enum": list(by_model)}, text={"type": "string", "minLength": 1})
    schema = json.dumps(object_schema(found={"type": "array", "items": piece}))
    instruction = call_instruction(call, prompt.system, schema)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        texts = inputs.values()
        replies = ask.complete(instruction, prompts(prompt.user, inputs))
        values: list[Any] = []
        errors = dict(replies.errors)
        for i, (text, reply) in enumerate(zip(texts, replies.rows, strict=True)):
            values.append(None)
            if reply is None:
                continue
            spans, reason = _spans(text, json.loads(reply)["found"])
            if spans is None:
                errors[i] = str(reason)
            else:
                values[i] = value_of(text, _without_overlaps([*find_pii(text, proven), *spans]))
        return Answers(values, errors, replies.known)

    basis = {"version": 1, "rules": VERSION, "categories": list(categories), "user": prompt.user}
    return Bound(answer, {**basis, "instruction": instruction.basis()})


def _categories(call: Call) -> tuple[str, ...]:
    """Lower-case words; where none are given all that the rules find, and names and addresses."""
    given = call.options.get("categories")
    if given is None:
        return (*CATEGORIES, "name", "address")
    if not isinstance(given, list | tuple) or not given or not all(isinstance(c, str) and c.strip() for c in given):
        raise ConfigError(
            f"{call.function}: categories is {given!r}; it must be a list of texts, e.g. ['email', 'iban']. "
            f"The rules find {', '.join(CATEGORIES)}."
        )
    return tuple(dict.fromkeys(" ".join(category.lower().split()) for category in given))


def _spans(text: str, pieces: list[dict[str, str]]) -> tuple[list[Span] | None, str | None]:
    """Every occurrence of the pieces in the text; (None, why) where one does not occur."""
    spans = []
    for piece in pieces:
        at = text.find(piece["text"])
        if at < 0:
            return (
                None,
                f"the model names {piece['text'][:60]!r} as {piece['category']}, which is not in the text",
            )
        while at >= 0:
            end = at + len(piece["text"])
            spans.append(Span(piece["category"], at, end, piece["text"]))
            at = text.find(piece["text"], end)
    return spans, None


def _without_overlaps(spans: list[Span]) -> list[Span]:
    """In order; of spans that overlap the longest stays, and of equal ones the first."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start - span.end):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def _rows(spans: list[Span]) -> list[dict[str, Any]]:
    """As SQL counts: substr(text, start, length) is the piece."""
    return [
        {"category": span.category, "start": span.start + 1, "length": span.end - span.start, "text": span.text}
        for span in spans
    ]
