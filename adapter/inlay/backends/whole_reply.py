"""What counts as an answer among replies: the one check of all of them, from a server, a batch or this process.

A reply is whole where its model ended it, where it holds a text that is no thought, and where that is what the
instruction asks for. Whatever else it is, its row fails with the reason.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from inlay.backends.base import Instruction, Reply
from inlay.json_schema import is_json, repaired, validated
from inlay.thoughts import OnlyThoughts, without_thoughts

Kind = Literal["cut", "empty", "thoughts", "not text", "not JSON", "not valid"]


class NotWhole(Exception):
    """The reply is no answer; the text says why, as the row's error."""

    def __init__(self, reason: str, kind: Kind) -> None:
        super().__init__(reason)
        self.kind = kind


def whole(instruction: Instruction, prompt: str, reply: Reply) -> Reply:
    """The reply with its answer alone; where that is JSON, without blanks. prompt: what was asked. Raises NotWhole."""
    if not _is_text(reply.text):
        raise NotWhole("the reply is no text: it holds half of a character (a lone surrogate), or NUL", "not text")
    if instruction.schema is not None:
        return _of_schema(instruction, prompt, reply)
    text = _answer_in(reply.text, prompt)
    if instruction.whole and not reply.ended:
        raise _cut(instruction, reply)
    if not text.strip():
        raise NotWhole("the reply is empty", "empty")
    return reply if text == reply.text else replace(reply, text=text)


def _of_schema(instruction: Instruction, prompt: str, reply: Reply) -> Reply:
    assert instruction.schema is not None
    text, reason = validated(instruction.schema, reply.text)  # a tag inside of a JSON string is no mark of thoughts
    given = reply.text if text is not None else _answer_in(reply.text, prompt)
    if text is None and given != reply.text:
        text, reason = validated(instruction.schema, given)
    if text is None and not given.strip():
        raise NotWhole("the reply is empty", "empty")
    whole = repaired(instruction.schema, given) if text is None else text
    # A number that nobody has ended may go on.
    if reply.ended is False or (whole is not None and reply.ended is None and whole[-1].isdigit()):
        raise _cut(instruction, reply)
    if whole is not None:
        return replace(reply, text=whole, repaired=reply.repaired or text is None)
    if reply.output_tokens >= instruction.max_tokens and not is_json(given):
        raise _cut(instruction, reply)
    raise NotWhole(f"the reply is not valid for the schema: {reason}", "not valid" if is_json(given) else "not JSON")


def _answer_in(text: str, prompt: str) -> str:
    try:
        return without_thoughts(text, prompt)
    except OnlyThoughts as error:
        raise NotWhole(str(error), "thoughts") from None


def _cut(instruction: Instruction, reply: Reply) -> NotWhole:
    if reply.ended is None:
        return NotWhole("the server does not say whether the reply is complete (it has no finish_reason)", "cut")
    return NotWhole(
        f"the reply was cut after {reply.output_tokens:,} tokens, before it was complete; max_tokens is "
        f"{instruction.max_tokens:,}",
        "cut",
    )


def _is_text(text: str) -> bool:
    try:
        return "\0" not in text and (text.isascii() or bool(text.encode()))
    except UnicodeEncodeError:
        return False
