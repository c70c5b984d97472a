"""What the body of an answer holds: JSON, or the events of a stream that nobody asked for."""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

Answer = dict[str, Any]

_BOM = codecs.BOM_UTF8
# Other characters that end a line to Python may be in a text.
_LINE_ENDS = re.compile(r"\r\n|\n|\r")


def parsed(content: bytes) -> Any:
    """The JSON of a body, or the answer that a stream of events adds up to; None where it is neither."""
    try:
        if content.removeprefix(_BOM).lstrip()[:6].startswith((b"data:", b"event:", b":")):
            return _of_events(content.decode())
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def holds(answer: Any, field: str) -> bool:
    """Whether this is an answer with the field: null, an empty list of choices, or an error beside it is none."""
    if not isinstance(answer, dict) or answer.get(field) is None or answer.get("error"):
        return False
    return field != "choices" or (bool(answer["choices"]) and not _error_of_choice(answer))


def status_inside(answer: Any) -> int:
    """Some gateways answer 200 with the status of the server behind them in the body; 200 where there is none."""
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    if not isinstance(answer, dict):
        return 200
    error = answer.get("error") or _error_of_choice(answer)
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    number = int(code) if isinstance(code, str) and code.isdecimal() else code
    return number if isinstance(number, int) and 400 <= number < 600 else 200


def _error_of_choice(answer: Answer) -> Any:
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first.get("error") if isinstance(first, dict) else None


def _of_events(text: str) -> Answer | None:
    """The chunks of a chat completion put together: of its first choice, where there are several. None for a stream
    that breaks off, whose end says neither [DONE] nor how the reply ended, and for chunks of another form. Raises
    ValueError."""
    lines = _LINE_ENDS.split(text.removeprefix("\ufeff"))
    events = [line[5:].strip() for line in lines if line.startswith("data:")]
    is_done = "[DONE]" in events
    answer: Answer = {}
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    ending = None
    for event in events:
        if event == "[DONE]":
            break
        chunk = json.loads(event)
        if not isinstance(chunk, dict):
            return None
        if chunk.get("error"):
            return chunk
        answer |= {name: value for name, value in chunk.items() if name != "choices" and value is not None}
        for choice in chunk.get("choices") or ():
            said = choice.get("delta") or choice.get("message") or {} if isinstance(choice, dict) else None
            if not isinstance(said, dict):
                return None
            if choice.get("index"):
                continue
            for name in ("content", "refusal", "reasoning_content"):
                if isinstance(said.get(name), str):
                    message[name] = message.get(name, "") + said[name]
            ending = choice.get("finish_reason") or ending
    if not is_done and ending is None:
        return None
    return answer | {"choices": [{"index": 0, "message": message, "finish_reason": ending}]}
