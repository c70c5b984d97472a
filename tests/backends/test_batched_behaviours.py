"""What servers do, in the answers of a batch; and responses that break off on their way: a prompt's reply is what it is
where the server does nothing special, or there is none, with a reason.

Functions share what is asked here, a free text and JSON of a schema; test_server_behaviours.py asks through each of them.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from test_openai_batches import ask as ask_in_batch
from test_openai_batches import batch_model
from test_openai_model import ask, described

from inlay.backends.base import Instruction, Reply
from inlay.backends.openai.model import OpenAIModel
from support.fault_server import FaultServer
from support.raw_responses import BROKEN, WHOLE
from support.server_behaviours import FAILS, ONE_OF_BOTH, RIGHT

pytestmark = pytest.mark.usefixtures("short_waits")

SCHEMA = (
    '{"type":"object","properties":{"name":{"type":["string","null"]},"age":{"type":["integer","null"],'
    '"minimum":-2147483648,"maximum":2147483647}},"required":["name","age"],"additionalProperties":false}'
)
INSTRUCTIONS = {"text": Instruction("Be brief."), "JSON": Instruction("Read.", schema=SCHEMA)}
TEXTS = ["first", "The parcel came late.", "Is the lamp any good?", "It broke at last."]

NOT_AGAIN = ("at first", "no ", "max_completion_tokens", "its own JSON failed")
"""A request in a batch is not sent again, so how such behaviours begin is all that there is of them."""


@cache
def right(kind: str) -> list[str]:
    with FaultServer(behaviour=RIGHT["plain"]) as server:
        got = ask(OpenAIModel(described(server.base_url)), TEXTS, INSTRUCTIONS[kind])
    texts = [reply.text for reply in got if isinstance(reply, Reply)]
    assert len(texts) == len(TEXTS)
    return texts


@pytest.mark.parametrize("kind", INSTRUCTIONS)
@pytest.mark.parametrize("name", [*RIGHT, *FAILS, *ONE_OF_BOTH])
def test_a_batch_invents_nothing(tmp_path: Path, name: str, kind: str) -> None:
    behaviour = RIGHT.get(name) or (FAILS.get(name) or ONE_OF_BOTH[name])[0]
    with FaultServer(behaviour=behaviour) as server:
        got = ask_in_batch(batch_model(server, tmp_path, direct_rows=0), TEXTS, INSTRUCTIONS[kind])
        assert len(server.batches) == 1
    for reply, expected in zip(got[1:], right(kind)[1:], strict=True):  # the first is sent directly
        if isinstance(reply, Reply):
            assert name not in FAILS
            assert reply.text == expected or name.startswith("no system")  # another prompt, so another reply
        else:
            assert isinstance(reply, str) and reply
            assert name not in RIGHT or "stream" in name or any(words in name for words in NOT_AGAIN), reply


@pytest.mark.parametrize("kind", INSTRUCTIONS)
@pytest.mark.parametrize("name", [*WHOLE, *BROKEN])
def test_what_breaks_off_on_its_way_is_no_reply(name: str, kind: str) -> None:
    raw, reason = BROKEN.get(name) or (WHOLE[name], "")
    with FaultServer(behaviour=RIGHT["plain"], raw=raw) as server:
        got = ask(OpenAIModel(described(server.base_url)), TEXTS[:2], INSTRUCTIONS[kind])
    if name in WHOLE:
        assert [reply.text for reply in got if isinstance(reply, Reply)] == right(kind)[:2]
    for each in got if name in BROKEN else ():
        assert isinstance(each, str) and re.search(reason, each), each
