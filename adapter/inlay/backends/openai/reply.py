"""The reply in a server's answer: pure functions of the parsed body."""

from __future__ import annotations

from typing import Any

from inlay.backends.base import Instruction, before_stop
from inlay.backends.openai.server import Answer

# A token of the usual vocabularies is about four bytes of English. A guess, replaced by what the server counts.
BYTES_PER_TOKEN = 4
# The template's marks around the messages.
TEMPLATE_TOKENS = 8


def estimated_tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


class NoReply(Exception):
    """The answer holds no reply that can be used; the text says why, as the row's error."""


def reply_in(answer: Answer, instruction: Instruction) -> tuple[str, bool]:
    """(the text, whether the model ended it). Raises NoReply, also for a cut reply where only a whole one is wanted."""
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise NoReply("the server's answer contains no message")
    reason = choice.get("finish_reason")
    if reason == "length" and instruction.whole:
        raise NoReply(
            f"the reply was cut after {instruction.max_tokens:,} tokens (finish_reason 'length'). "
            "Raise max_tokens, or ask for something shorter"
        )
    if reason == "content_filter":
        raise NoReply("the server's content filter withheld the reply (finish_reason 'content_filter')")
    if isinstance(message.get("refusal"), str) and message["refusal"]:
        raise NoReply(f"the model refuses: {message['refusal']}")
    text = _text_of(message.get("content"))
    if text is None:
        raise NoReply(f"the reply contains no text (finish_reason {reason!r})")
    return before_stop(text, instruction.stop), reason != "length"


def _text_of(content: Any) -> str | None:
    """Reasoning models return a list of parts; those of type 'text' are the reply."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
        return "".join(parts) if parts else None
    return None
