"""The fields of a request, and how they change after the server has refused some of them.

Servers differ: in the field for the length limit, whether they take a seed, a temperature, stop texts or a system
message, and how they take a schema. Nothing is probed beforehand: after a 400 that names a field the request is sent
without it, and what works is kept for later requests.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from inlay.backends.base import Instruction
from inlay.backends.openai.logprobs import FIELDS
from inlay.backends.openai.schema import ReplySchema, strict
from inlay.models.ref import Endpoint
from inlay.types import Structured

Level = Literal["strict", "json_schema", "json_object", "none"]

_WEAKER: dict[Level, Level] = {"strict": "json_schema", "json_schema": "json_object", "json_object": "none"}

_SCHEMA_WORDS = (
    "response_format", "response format", "json_schema", "json schema", "json_object", "json mode", "structured output",
    "structured generation", "guided", "grammar", "responseschema", "response_schema", "output_config",
)  # fmt: skip
# What chat templates without a system's part raise (Gemma, Mistral), and services for such models.
_NO_SYSTEM_WORDS = (
    "system role", "roles must alternate", "only user and assistant roles", "messages[0].role", "developer instruction",
    "unexpected role",
)  # fmt: skip
_NO_SYSTEM = re.compile(r"(?:not|n't) support \W?system\b|system (?:message|prompt)s?\W? (?:is|are) not")
_REFUSED = re.compile(
    r"unsupported|(?:not|n't) support|only the default|unrecogni[sz]ed|unknown|unexpected|extra |not permitted"
    r"|not allowed|not a valid field|cannot find field|deprecated|not available|invalid"
)
# A complaint about what the model wrote, not about how it was asked: Groq, and gateways like it.
_FAILED_JSON = re.compile(
    r"failed_generation|json_validate_failed|failed to (?:generate|validate) (?:valid )?json"
    r"|(?:generated|your) json (?:does not match|failed)"
)
# Without a seed or a temperature a reply is still a reply; stop texts are cut off here in any case (reply.py).
_OPTIONAL = ("temperature", "seed", "stop")


@dataclass(frozen=True)
class Dialect:
    """structured: how a schema is sent. left_out: parameters that the server does not take."""

    structured: Level = "none"
    tokens_field: str = "max_tokens"
    left_out: frozenset[str] = frozenset()
    system_role: bool = True


def first_dialect(structured: Structured, schema: ReplySchema | None) -> Dialect:
    if schema is None:
        return Dialect()
    return Dialect("strict" if structured == "json_schema" and strict(schema.schema) else structured)


def adapted(dialect: Dialect, complaint: str) -> Dialect | None:
    """What to try after this complaint (Verdict.complaint: 'parameter: message'); None where it is about the row.

    >>> adapted(Dialect(), "max_tokens: use 'max_completion_tokens' instead.").tokens_field
    'max_completion_tokens'
    """
    if dialect.tokens_field == "max_tokens" and "max_completion_tokens" in complaint:
        return replace(dialect, tokens_field="max_completion_tokens")
    if failed_to_write_json(complaint):
        return None
    if dialect.structured != "none" and any(word in complaint for word in _SCHEMA_WORDS):
        return replace(dialect, structured=_WEAKER[dialect.structured])
    has_no_system = any(words in complaint for words in _NO_SYSTEM_WORDS) or _NO_SYSTEM.search(complaint)
    if dialect.system_role and has_no_system:
        return replace(dialect, system_role=False)
    for name in _OPTIONAL:
        named = re.search(
            rf"(?:^|\s){name}:|['\"`]{name}['\"`]|\b(?:argument|param|parameter|field)s?\b[^.]*\b{name}\b", complaint
        )
        if named and name not in dialect.left_out and _REFUSED.search(complaint):
            return replace(dialect, left_out=dialect.left_out | {name})
    return None


def failed_to_write_json(complaint: str) -> bool:
    """Whether a server refuses its own model's reply; asked once more, the model may do better."""
    return _FAILED_JSON.search(complaint) is not None


class Form:
    """Everything in a request but the user's messages: made once per call and dialect."""

    def __init__(
        self, endpoint: Endpoint, instruction: Instruction, schema: ReplySchema | None, dialect: Dialect
    ) -> None:
        self.dialect = dialect
        fields: dict[str, Any] = {
            "model": endpoint.model,
            dialect.tokens_field: instruction.max_tokens,
            "temperature": instruction.temperature,
            "seed": instruction.seed,
            **json.loads(endpoint.extra_body),
        }
        if instruction.options:
            fields |= FIELDS
        if instruction.stop:
            fields["stop"] = list(instruction.stop)
        for name in dialect.left_out:
            fields.pop(name, None)
        system = instruction.system
        if schema is not None:
            if dialect.structured == "json_object":
                fields["response_format"] = {"type": "json_object"}
            elif dialect.structured != "none":
                named = {"name": "reply", "strict": dialect.structured == "strict", "schema": schema.schema}
                fields["response_format"] = {"type": "json_schema", "json_schema": named}
            if dialect.structured in ("json_object", "none"):
                system = f"{system}\n\n{asking_for_json(schema)}".strip()
        self.system = system
        self._start = json.dumps(fields)[:-1] + ', "messages": ['
        self._first = _message("system", system) + ", " if system and dialect.system_role else ""

    def body(self, *turns: tuple[str, str]) -> bytes:
        """turns: (role, content), the user first. Content is always a JSON string, so it cannot change the request."""
        if self.system and not self.dialect.system_role:
            (role, content), *others = turns
            turns = ((role, f"{self.system}\n\n{content}"), *others)
        return f"{self._start}{self._first}{', '.join(_message(*turn) for turn in turns)}]}}".encode("ascii")


def asking_for_json(schema: ReplySchema) -> str:
    return f"Reply with one JSON value and nothing else. It must be valid for this JSON Schema: {schema.text}"


def _message(role: str, content: str) -> str:
    return json.dumps({"role": role, "content": content})
