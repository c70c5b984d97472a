"""What models write before they answer, and the marks around it: no part of an answer."""

from __future__ import annotations

import re

_NAMES = r"think|thinking|thought|reasoning|seed:think"
_OPENS = re.compile(rf"<(?:{_NAMES})>|\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|channel>thought", re.IGNORECASE)
_CLOSES = re.compile(rf"</(?:{_NAMES})>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>|<channel\|>", re.IGNORECASE)
_CHANNEL = re.compile(r"<\|channel\|>")
_BEGINS = re.compile(rf"\s*(?:{_OPENS.pattern}|{_CHANNEL.pattern})", re.IGNORECASE)
_FINAL = re.compile(
    r"<\|channel\|>\s*final\b[^<]*<\|message\|>(?P<text>.*?)(?:<\|(?:end|return|start|call)\|>|\Z)", re.S
)
# The same marks, taken out by a server that thinks they are none.
_GLUED = re.compile(r"\A\s*analysis.*?assistantfinal", re.S)
# What every mark begins with.
_FIRST = ("<", "[", "◁")


class OnlyThoughts(Exception):
    """No answer can be told from the thoughts; the text says why."""


def without_thoughts(text: str, prompt: str = "") -> str:
    """The answer in a reply: what comes after the model's thoughts, where it has written any. prompt: what was asked;
    where it has such marks itself, those in the reply may be either. Raises OnlyThoughts."""
    if "assistantfinal" not in text and not any(map(text.__contains__, _FIRST)):
        return text
    if _CHANNEL.search(text) and not _CHANNEL.search(prompt):
        finals = list(_FINAL.finditer(text))
        if not finals:
            raise OnlyThoughts("the reply holds the model's thoughts alone: it has no final channel")
        text = finals[-1]["text"]
    elif "assistantfinal" not in prompt:
        text = _GLUED.sub("", text, count=1)
    last = max(_CLOSES.finditer(text), key=re.Match.end, default=None)
    opened = _OPENS.search(text)
    if last is None and opened is None:
        return text
    if _OPENS.search(prompt) or _CLOSES.search(prompt):
        if _begins_with(opened, text) or (last is not None and (opened is None or opened.start() > last.start())):
            raise OnlyThoughts("the reply cannot be told from the model's thoughts: the text has the same marks")
        return text
    rest = text if last is None else text[last.end() :].lstrip()
    if _OPENS.search(rest):
        raise OnlyThoughts("the reply holds the model's thoughts alone, which it has not ended")
    return rest


def begins_with_thoughts(text: str) -> bool:
    """Whether a text that was kept as an answer is none."""
    return text.lstrip()[:1] in _FIRST and _BEGINS.match(text) is not None


def _begins_with(mark: re.Match[str] | None, text: str) -> bool:
    return mark is not None and not text[: mark.start()].strip()
