"""ai_detect_pii and ai_redact: where personal data is in a text, and the text without it.

The model named 'rules' finds what patterns and checksums can prove (inlay.pii) and needs nothing. A language model
finds other categories as well, such as names and addresses; the categories of the rules are still found by the rules. A
model in this process is asked which categories a text has (presence.py), and then for the pieces of each, which are
words of the text; one behind an endpoint gives all in one reply, of which a piece that is not in the text is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from inlay.arrays import Bools
from inlay.errors import ConfigError
from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.instruction import call_instruction, language_model
from inlay.functions.judged import object_schema
from inlay.functions.presence import Presence
from inlay.functions.prompts import prompts
from inlay.pii import CATEGORIES, VERSION, Span, find_pii, read_categories, redact, without
from inlay.store.inputs import Inputs, each_with_each, text_inputs

ValueOf = Callable[[str, list[Span]], Any]
"""What a function answers for a text and its spans, which are in order and do not overlap."""

Found = tuple[list[list[tuple[str, str]]], dict[int, str], Bools]
"""(category, piece) of each text, why there are none, and what was known."""

PiecesOf = Callable[[Inputs, Ask], Found]

_MOST_PIECES = 8  # of one category in one text; a small model that has no more goes on with the same
_MOST_WORDS = 12  # a longer piece is a sentence

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
    find = _category_by_category if call.model.can("likelihoods") else _in_one_reply
    pieces_of, asked = find(call, by_model)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        texts = inputs.values()
        pieces, errors, known_before = pieces_of(inputs, ask)
        values = [
            None
            if i in errors
            else value_of(text, _without_overlaps([*find_pii(text, proven), *_spans(text, pieces[i])]))
            for i, text in enumerate(texts)
        ]
        return Answers(values, errors, known_before)

    return Bound(answer, {"rules": VERSION, "categories": list(categories), **asked})


def _in_one_reply(call: Call, categories: Sequence[str]) -> tuple[PiecesOf, dict[str, Any]]:
    prompt = call.prompt("remote", "ai_detect_pii").with_values(categories=", ".join(categories))
    piece = object_schema(category={"enum": list(categories)}, text={"type": "string", "minLength": 1})
    schema = json.dumps(object_schema(found={"type": "array", "items": piece}))
    instruction = call_instruction(call, prompt.system, schema)

    def pieces_of(inputs: Inputs, ask: Ask) -> Found:
        replies = ask.complete(instruction, prompts(prompt.user, inputs))
        read = [[] if reply is None else json.loads(reply)["found"] for reply in replies.rows]
        return [[(each["category"], each["text"]) for each in found] for found in read], replies.errors, replies.known

    return pieces_of, {"version": 2, "user": prompt.user, "instruction": instruction.basis()}


def _category_by_category(call: Call, categories: Sequence[str]) -> tuple[PiecesOf, dict[str, Any]]:
    prompt = call.prompt("", "ai_detect_pii")
    presence = Presence(call.prompt("present", "ai_detect_pii"), categories)
    instruction = replace(call_instruction(call, prompt.system, whole=False), verbatim=_MOST_PIECES)

    def pieces_of(inputs: Inputs, ask: Ask) -> Found:
        found = presence(inputs, ask)
        known = found.known.copy()
        rows = [(i, j) for i, j in np.argwhere(found.is_there).tolist() if i not in found.errors]
        pieces: list[list[tuple[str, str]]] = [[] for _ in range(len(inputs))]
        errors = dict(found.errors)
        if rows:
            asked = each_with_each(inputs, text_inputs(list(categories)))
            places = np.array([i * len(categories) + j for i, j in rows])
            replies = ask.complete(instruction, prompts(prompt.user, asked.take(places)))
            for at, ((i, j), reply) in enumerate(zip(rows, replies.rows, strict=True)):
                known[i] &= bool(replies.known[at])
                if reply is None:
                    errors.setdefault(i, replies.errors.get(at, "no reply"))
                else:
                    lines = dict.fromkeys(line.strip() for line in reply.split("\n") if line.strip())
                    pieces[i] += [(categories[j], line) for line in lines if len(line.split()) <= _MOST_WORDS]
        return pieces, errors, known

    basis = {"user": prompt.user, "instruction": instruction.basis(), "present": presence.basis()}
    return pieces_of, {"version": 2, "most_words": _MOST_WORDS, **basis}


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


def _spans(text: str, pieces: Sequence[tuple[str, str]]) -> list[Span]:
    """Every occurrence of the (category, piece)s in the text, as words in any case and with any blanks between them, or
    within words where a script has none. A piece that the model has invented occurs nowhere."""
    spans = []
    for category, piece in pieces:
        words = r"\s+".join(map(re.escape, piece.split()))
        found = list(re.finditer(rf"(?<!\w){words}(?!\w)", text, re.IGNORECASE)) or list(re.finditer(words, text))
        spans += [Span(category, match.start(), match.end(), match[0]) for match in found]
    return spans


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
