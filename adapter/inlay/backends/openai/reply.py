"""The reply in a server's answer: pure functions of the parsed body."""

from __future__ import annotations

from typing import Any

from inlay.backends.base import Instruction, before_stop
from inlay.backends.http.body import Answer

# A token of the usual vocabularies is about four bytes of English. A guess, replaced by what the server counts.
BYTES_PER_TOKEN = 4
# The template's marks around the messages.
TEMPLATE_TOKENS = 8

# How servers say that the model has ended its reply; any ending that is not here is none.
WHOLE = {"stop", "eos", "eos_token", "stop_sequence", "end_turn"}
CUT = {"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"}
WITHHELD = {
    "content_filter", "content_filtered", "safety", "refusal", "recitation", "blocklist", "prohibited_content", "spii",
    "guardrail_intervened",
}  # fmt: skip


def estimated_tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


class NoReply(Exception):
    """The answer holds no reply that can be used; the text says why, as the row's error."""


class CutReply(NoReply):
    """The limit on tokens ended it. text: what was written until then."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.text = text


def written_in(answer: Answer) -> str:
    """All text of an answer, whatever kind of reply it is: for a server that does not count tokens."""
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    return (_text_of(message.get("content")) or "") if isinstance(message, dict) else ""


def reply_in(answer: Answer, instruction: Instruction) -> tuple[str, bool | None]:
    """(the text, whether the model ended it; None where the server does not say). Raises NoReply, also for a cut reply
    where only a whole one is wanted."""
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise NoReply("the server's answer contains no message")
    reason = choice.get("finish_reason")
    ended = _ended(reason)
    if ended is False and instruction.whole:
        raise CutReply(
            f"the reply was cut after {instruction.max_tokens:,} tokens (finish_reason {reason!r}). "
            "Raise max_tokens, or ask for something shorter",
            _text_of(message.get("content")) or "",
        )
    if isinstance(message.get("refusal"), str) and message["refusal"]:
        raise NoReply(f"the model refuses: {message['refusal']}")
    text = _text_of(message.get("content"))
    if text is None or not text.strip():
        thoughts = any(message.get(name) for name in ("reasoning_content", "reasoning", "reasoning_details"))
        held = "the model's thoughts and no text. Raise max_tokens" if thoughts else "no text"
        raise NoReply(f"the reply contains {held} (finish_reason {reason!r})")
    return before_stop(text, instruction.stop), ended


def _ended(reason: Any) -> bool | None:
    """Raises NoReply for an ending that no whole or cut reply has."""
    if reason is None or reason == "":
        return None
    family = str(reason).casefold()
    if family in WITHHELD:
        raise NoReply(f"the server's content filter withheld the reply (finish_reason {reason!r})")
    if family not in WHOLE | CUT:
        raise NoReply(f"the reply ended with finish_reason {reason!r}, which no complete reply has")
    return family in WHOLE


def _text_of(content: Any) -> str | None:
    """Reasoning models return a list of parts; those of type 'text' are the reply."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [
            part["text"]
            for part in content
            if isinstance(part, dict) and part.get("type", "text") in ("text", "output_text")
            if isinstance(part.get("text"), str)
        ]
        return "".join(parts) if parts else None
    return None
