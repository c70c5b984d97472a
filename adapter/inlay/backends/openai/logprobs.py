"""How likely each of a few answers is, by the log-probabilities that a server gives of the reply's first token."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from inlay.backends.base import MOST_OPTIONS
from inlay.backends.http.body import Answer
from inlay.backends.openai.reply import NoReply

FIELDS = {"logprobs": True, "top_logprobs": MOST_OPTIONS}

_MARKS = " \t\r\n\"'`*_.,:;()[]"


class NoLogprobs(Exception):
    """The server gives none, whatever the row is."""


def shares_in(answer: Answer, options: Sequence[str]) -> str:
    """JSON of the share of each option among them, in their order.

    A token belongs to the one option that it begins, without regard to case and marks. What the server does not list
    is less likely than all that it lists, and counts as nothing. Raises NoReply where no listed token begins one option
    alone, and NoLogprobs.
    """
    listed = _first_token(answer["choices"][0])
    sums = [0.0] * len(options)
    for token, logprob in listed:
        begun = [i for i, option in enumerate(options) if option.casefold().startswith(token)]
        if len(begun) == 1:
            sums[begun[0]] += math.exp(min(logprob, 0.0))
    if not sum(sums):
        shown = ", ".join(repr(token) for token, _ in listed[:5])
        raise NoReply(f"the model begins its reply with none of {', '.join(options)}; its likeliest tokens are {shown}")
    return json.dumps([round(each / sum(sums), 6) for each in sums])


def _first_token(choice: Any) -> list[tuple[str, float]]:
    """The tokens that the reply may begin with, bare of marks, and their log-probabilities. A token of marks and
    blanks alone is passed over."""
    held = choice.get("logprobs")
    content = held.get("content") if isinstance(held, dict) else None
    if not isinstance(content, list) or not content:
        raise NoLogprobs
    for place in content:
        if not isinstance(place, dict):
            raise NoLogprobs
        if _bare(place.get("token")):
            top = place.get("top_logprobs")
            return [
                (token, float(each["logprob"]))
                for each in (top if isinstance(top, list) and top else [place])
                if isinstance(each, dict) and isinstance(each.get("logprob"), int | float)
                if (token := _bare(each.get("token"))) and math.isfinite(each["logprob"])
            ]
    raise NoReply("the reply contains no text")


def _bare(token: Any) -> str:
    return token.strip(_MARKS).casefold() if isinstance(token, str) else ""
