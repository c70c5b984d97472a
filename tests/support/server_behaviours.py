"""How servers answer a chat completion, one behaviour a line: whatever they do, a row is right or fails with a reason.

A behaviour is given what the server is to say and the request, and makes the response. RIGHT has those that cost no
row, FAILS those that no reply survives, with the reason that is listed, ONE_OF_BOTH those that depend on what was asked
for. The texts of refusals are those of the vendors that are named.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from inlay.backends.fake import fake_reply


@dataclass
class Asked:
    """text: what the server is to say. schema: of the reply, where one was asked for, in whichever way. attempt: of
    requests with this user's message."""

    body: dict[str, Any]
    attempt: int

    @property
    def content(self) -> str:
        return str(next(m["content"] for m in self.body["messages"] if m["role"] == "user"))

    @property
    def schema(self) -> dict[str, Any] | None:
        asked = self.body.get("response_format", {})
        if asked.get("type") == "json_schema":
            schema: dict[str, Any] = asked["json_schema"]["schema"]
            return schema
        for message in self.body["messages"]:
            _, found, text = message["content"].rpartition("JSON Schema: ")
            if found and message["role"] == "system" and "Reply with one JSON value" in message["content"]:
                return dict(json.loads(text))
        return None

    @property
    def text(self) -> str:
        schema = self.schema
        if schema is not None and "found" in schema.get("properties", {}):
            return '{"found": []}'  # personal data that is not in the text would fail the row
        return fake_reply(self.content, None if schema is None else json.dumps(schema))

    @property
    def budget(self) -> int:
        return int(self.body.get("max_tokens") or self.body["max_completion_tokens"])


Behaviour = Callable[[Asked], web.Response]


def answer(asked: Asked, text: Any = None, ending: Any = "stop", usage: Any = None, **message: Any) -> dict[str, Any]:
    text = asked.text if text is None else text
    said = {"role": "assistant", "content": text, **message}
    letters = sum(len(each["content"]) for each in asked.body["messages"])
    counted = {"prompt_tokens": letters // 4 + 8, "completion_tokens": len(str(text)) // 4 + 1}
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": said, "finish_reason": ending}],
        "usage": counted if usage is None else counted | usage,
    }


def says(text: Callable[[str], Any], **more: Any) -> Behaviour:
    return lambda asked: web.json_response(answer(asked, text(asked.text), **more))


def says_json(text: Callable[[str], str]) -> Behaviour:
    """Where JSON was asked for; elsewhere the plain reply."""
    return lambda asked: web.json_response(answer(asked, asked.text if asked.schema is None else text(asked.text)))


def ends(ending: Any, **usage: Any) -> Behaviour:
    return lambda asked: web.json_response(answer(asked, ending=ending, usage=usage))


def first(status: int, body: Any, *, of_json: bool = False, **headers: str) -> Behaviour:
    """This at the first attempt with a text, then the plain reply. of_json: only where JSON was asked for."""

    def behave(asked: Asked) -> web.Response:
        if asked.attempt > 1 or (of_json and asked.schema is None):
            return web.json_response(answer(asked))
        return web.json_response(body, status=status, headers=headers)

    return behave


def refuses(field: str, status: int, body: Any) -> Behaviour:
    """A request that has the field."""
    return lambda asked: (
        web.json_response(body, status=status) if _has(asked.body, field) else web.json_response(answer(asked))
    )


def _has(body: dict[str, Any], field: str) -> bool:
    if field == "system":
        return any(message["role"] == "system" for message in body["messages"])
    kind, _, named = field.partition("=")
    return body.get(kind, {}).get("type") == named if named else kind in body


def without_ending(asked: Asked) -> web.Response:
    made = answer(asked)
    del made["choices"][0]["finish_reason"]
    return web.json_response(made)


def at_its_budget(ending: Any, cut: bool) -> Behaviour:
    def behave(asked: Asked) -> web.Response:
        # A server that says "stop" of half a text cannot be seen through; half of JSON shows.
        cuts = cut and (ending is None or asked.schema is not None)
        text = asked.text[: len(asked.text) // 2 + 1] if cuts else asked.text
        return web.json_response(answer(asked, text, ending, {"completion_tokens": asked.budget}))

    return behave


def streamed(*, done: bool, ending: str | None = "stop", error: bool = False) -> Behaviour:
    def behave(asked: Asked) -> web.Response:
        pieces = [asked.text[i : i + 5] for i in range(0, len(asked.text), 5)]
        chunks: list[Any] = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
        if error:
            chunks = [*chunks[:1], {"error": {"code": 400, "message": "upstream broke"}}]
        elif ending:
            chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": ending}]})
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + (["data: [DONE]\n\n"] if done else [])
        return web.Response(text=": hello\n\n" + "".join(lines), content_type="text/event-stream")

    return behave


def streamed_beside_another(asked: Asked) -> web.Response:
    """Pieces of two choices by turns."""
    pieces = [asked.text[i : i + 5] for i in range(0, len(asked.text), 5)]
    deltas = [(i, piece) for piece in pieces for i in (0, 1)]
    chunks = [{"choices": [{"index": i, "delta": {"content": piece}}]} for i, piece in deltas]
    ends = [{"choices": [{"index": i, "delta": {}, "finish_reason": "stop"}]} for i in (1, 0)]
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in [*chunks, *ends]]
    return web.Response(text="".join(lines) + "data: [DONE]\n\n", content_type="text/event-stream")


def streamed_in_one(change: Callable[[dict[str, Any]], Any]) -> Behaviour:
    """A stream of one event, which is not escaped: a character may be one that ends a line elsewhere."""

    def behave(asked: Asked) -> web.Response:
        event = change(answer(asked))
        text = f"\ufeffdata: {json.dumps(event, ensure_ascii=False)}\r\n\r\ndata: [DONE]\r\n\r\n"
        return web.Response(body=text.encode(), content_type="text/event-stream")

    return behave


def bytes_of(change: Callable[[bytes], bytes]) -> Behaviour:
    return lambda asked: web.Response(
        body=change(json.dumps(answer(asked), ensure_ascii=False).encode()), content_type="application/json"
    )


def in_other_case(text: str) -> str:
    value = json.loads(text)
    return json.dumps({"answer": value["answer"].upper()}) if set(value) == {"answer"} else text


def bare(text: str) -> str:
    value = json.loads(text)
    return f"{value['answer']}." if set(value) == {"answer"} else text


def numbers_as_texts(text: str) -> str:
    return json.dumps({name: str(v) if type(v) is int else v for name, v in json.loads(text).items()})


def _openai(message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


RIGHT: dict[str, Behaviour] = {
    "plain": says(str),
    **{f"ends with {ending}": ends(ending) for ending in ("STOP", "eos", "eos_token", "stop_sequence", "end_turn")},
    "never says how it ended": without_ending,
    "ends with null": ends(None),
    "no usage": lambda asked: web.json_response({**answer(asked), "usage": None}),
    "thoughts before": says(lambda text: f"<think>\nIs it {{x}}?\n</think>\n\n{text}"),
    "thoughts twice": says(lambda text: f"<think>a</think> <think>b</think>{text}"),
    "thoughts that were opened by the template": says(lambda text: f'Maybe {{"answer": "no"}}.</think>{text}'),
    "thoughts of Gemini and EXAONE": says(lambda text: f"<thought>\nIs it?</thought>{text}"),
    "thoughts of Reka": says(lambda text: f"<reasoning> so </reasoning>{text}"),
    "thoughts of Magistral": says(lambda text: f"[THINK]so[/THINK]{text}"),
    "channels": says(
        lambda text: "<|channel|>analysis<|message|>So {it} is.<|end|><|start|>assistant<|channel|>final<|message|>"
        f"{text}<|return|>"
    ),
    "channels without their marks": says(lambda text: f"analysisSo {{it}} is.assistantfinal{text}"),
    "thoughts in a field": says(str, reasoning_content="So it is."),
    "parts": says(lambda text: [{"type": "thinking", "text": "So."}, {"type": "text", "text": text}]),
    "an error that is none": lambda asked: web.json_response({**answer(asked), "error": None}),
    "a stream": streamed(done=True),
    "a stream without [DONE]": streamed(done=False),
    "a stream without an ending": streamed(done=True, ending=None),
    "a stream of two choices": streamed_beside_another,
    "a stream with what elsewhere ends a line": streamed_in_one(lambda made: made | {"note": "a\u2028b\x85c"}),
    "usage of nothing": ends("stop", prompt_tokens=0, completion_tokens=0),
    "usage below nothing": ends("stop", prompt_tokens=-1, completion_tokens=-1),
    "usage beyond anything": ends("stop", prompt_tokens=10**400, completion_tokens=10**30),
    "usage in words": ends("stop", prompt_tokens="12", completion_tokens=[3]),
    "usage is a list": lambda asked: web.json_response({**answer(asked), "usage": [1, 2]}),
    "by another model's name": lambda asked: web.json_response({**answer(asked), "model": "other"}),
    "two choices": lambda asked: web.json_response(
        {**answer(asked), "choices": [*answer(asked)["choices"], *answer(asked, "another")["choices"]]}
    ),
    "a refusal that is none": says(str, refusal=None, tool_calls=[], function_call=None, annotations=[], audio=None),
    "a pause until a date at first": first(429, {"error": "slow down"}, **{"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}),
    "a pause that is none at first": first(429, {"error": "slow down"}, **{"Retry-After": "soon"}),
    **{f"{status} at first": first(status, {"message": "later"}) for status in (408, 409, 425, 500, 502, 504, 520, 529)},
    "nothing at first": first(204, None),
    "a list of errors at first": first(503, [{"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}]),
    "null and an error at first": first(200, {"choices": None, "error": {"code": 500, "message": "provider broke"}}),
    "a code that is a text at first": first(200, {"choices": [], "error": {"code": "502", "message": "broke"}}),
    "an error in its choice at first": first(200, {"choices": [{"error": {"code": 502, "message": "broke"}}]}),
    "no choices at first": first(200, {"choices": []}),
    "its own JSON failed (Groq)": first(
        400,
        _openai("Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
                code="json_validate_failed"),
        of_json=True,
    ),
    "its own JSON failed": first(400, _openai("Generated JSON does not match the expected schema. Please adjust."), of_json=True),
    "max_completion_tokens (OpenAI)": refuses(
        "max_tokens", 400,
        _openai("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
                "instead.", "max_tokens", "unsupported_parameter"),
    ),
    "no temperature (OpenAI)": refuses(
        "temperature", 400,
        _openai("Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is "
                "supported.", "temperature", "unsupported_value"),
    ),
    "no temperature (Anthropic)": refuses("temperature", 400, _openai("`temperature` is deprecated for this model.")),
    "no seed (Azure)": refuses("seed", 400, _openai("Unrecognized request argument supplied: seed")),
    "no seed (Mistral)": refuses(
        "seed", 422,
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
    ),
    "no seed (Gemini)": refuses(
        "seed", 400,
        [{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'}}],
    ),
    "no seed (Cohere)": refuses("seed", 400, {"message": "unknown field: parameter 'seed' is not a valid field"}),
    "no seed (Bedrock)": refuses("seed", 400, {"message": "The model returned: seed: Extra inputs are not permitted"}),
    "no schema (Groq)": refuses(
        "response_format=json_schema", 400, _openai("This model does not support response format `json_schema`.")
    ),
    "no schema (DeepSeek)": refuses(
        "response_format=json_schema", 400, _openai("This response_format type is unavailable now")
    ),
    "no schema (vLLM)": refuses(
        "response_format=json_schema", 400,
        _openai("The provided JSON schema contains features not supported by xgrammar."),
    ),
    "no JSON mode either": refuses("response_format", 400, _openai("Unknown parameter: 'response_format'.")),
    "no system (Gemma)": refuses("system", 400, _openai("System role not supported")),
    "no system (OpenAI)": refuses(
        "system", 400,
        _openai("Unsupported value: 'messages[0].role' does not support 'system' with this model.", "messages[0].role"),
    ),
    "no system (Gemini)": refuses(
        "system", 400, [{"error": {"code": 400, "message": "Developer instruction is not enabled for models/gemma-3"}}]
    ),
    "no system (Bedrock)": refuses("system", 400, {"message": "This model doesn't support system messages."}),
    "JSON in prose": says_json(lambda text: f"Here you are: {text} I hope that helps."),
    "JSON in a fence in prose": says_json(lambda text: f"Sure!\n```json\n{text}\n```\nDone."),
    "a comma too many": says_json(lambda text: f"{text[:-1]},\n}}"),
    "labels in capitals": says_json(in_other_case),
    "a label without JSON": says_json(bare),
    "numbers as texts": says_json(numbers_as_texts),
}  # fmt: skip

CUT = "the reply was cut"
FAILS: dict[str, tuple[Behaviour, str]] = {
    "thoughts that never end": (says(lambda text: f"<think>Is it {text}"), "thoughts alone"),
    "an answer, then thoughts that never end": (says(lambda text: f"{text} <think>or"), "thoughts alone"),
    "an answer before its thoughts": (says(lambda text: f"{text}<think>so</think>"), "the reply is empty"),
    "no final channel": (says(lambda text: f"<|channel|>analysis<|message|>{text}<|end|>"), "no final channel"),
    "nothing": (says(lambda _: ""), "contains no text"),
    "blanks": (says(lambda _: " \n"), "contains no text"),
    "null": (lambda asked: web.json_response(answer(asked) | {"choices": [{"message": {"content": None}}]}), "no text"),
    "thoughts in a field and no text": (says(lambda _: "", reasoning_content="So it is."), "thoughts and no text"),
    "half a character": (says(lambda text: f"\ud83d{text}"), "half of a character"),
    "NUL": (says(lambda text: f"\0{text}"), "NUL"),
    "bytes that are no text": (bytes_of(lambda body: body.replace(b'"assistant"', b'"\xff\xfe"')), "not an answer"),
    "half an answer": (bytes_of(lambda body: body[: len(body) // 2]), "not an answer"),
    **{f"ends with {each}": (ends(each), "content filter") for each in ("content_filter", "SAFETY", "refusal")},
    **{f"ends with {each}": (ends(each), "no complete reply has") for each in ("tool_calls", "error", "abort", 7)},
    "refuses": (says(str, refusal="I cannot."), "the model refuses: I cannot."),
    "reads a part of it": (ends("stop", prompt_tokens=1), "it cut the text off"),
    "a stream that breaks off": (streamed(done=False, ending=None), "not an answer"),
    "a stream with an error": (streamed(done=False, error=True), "upstream broke"),
    "null and an error": (
        lambda _: web.json_response({"choices": None, "error": {"code": 500, "message": "provider broke"}}),
        r"500: provider broke \(4 attempts\)",
    ),
    "a stream of something else": (streamed_in_one(lambda _: {"choices": ["a", "b"]}), "not an answer"),
    "a stream of choices by name": (streamed_in_one(lambda _: {"choices": {"0": {"delta": "a"}}}), "not an answer"),
    "a tool's call for an answer": (
        says(lambda _: [], tool_calls=[{"function": {"name": "answer", "arguments": '{"answer": "bug"}'}}]),
        "no text",
    ),
    "parts without text": (says(lambda _: [{"type": "image_url", "image_url": {"url": "x"}}, "text", 3]), "no text"),
    "an object for a text": (says(lambda text: {"text": text}), "no text"),
    "a number for a text": (says(lambda _: 42), "no text"),
    "an old completion": (lambda asked: web.json_response({"choices": [{"text": asked.text}]}), "no message"),
    "a piece of a stream": (
        lambda asked: web.json_response({"choices": [{"delta": {"content": asked.text}, "finish_reason": "stop"}]}),
        "no message",
    ),
    "choices by name": (lambda asked: web.json_response({"choices": {"0": answer(asked)["choices"][0]}}), "no message"),
    "half an escape": (bytes_of(lambda body: body.replace(b'"content": "', b'"content": "\\u12 ')), "not an answer"),
    "NaN for an ending": (ends(float("nan")), "no complete reply has"),
    "a page": (lambda _: web.Response(text="<html>down</html>", content_type="text/html"), "not an answer"),
    "no body": (lambda _: web.Response(), "not an answer"),
    "a list of errors": (
        lambda _: web.json_response([{"error": {"code": 400, "message": "the context is full"}}], status=400),
        "400: the context is full",
    ),
}

ONE_OF_BOTH: dict[str, tuple[Behaviour, str]] = {
    **{f"ends with {each}": (ends(each), CUT) for each in ("length", "max_tokens", "MAX_TOKENS")},
    "its window is full": (ends("model_context_window_exceeded"), CUT),
    "cut at its limit, ended with stop": (at_its_budget("stop", cut=True), CUT),
    "cut at its limit, ended with nothing": (at_its_budget(None, cut=True), "does not say|cut"),
    "at its limit and no ending": (at_its_budget(None, cut=False), "does not say|cut"),
    "two objects": (says_json(lambda text: f"{text} or {text}"), "not valid for the schema"),
    "a label and prose": (says_json(lambda _: "It may be anything."), "not valid for the schema"),
    "a label of its own": (says_json(lambda _: '{"answer": "something else"}'), "not valid for the schema"),
    "a field twice": (says_json(lambda text: f"{text[:-1]}, {text[1:]}"), "not valid for the schema"),
    "numbers that are none": (says_json(lambda _: '{"answer": NaN, "score": Infinity}'), "not valid for the schema"),
    "NUL in a value": (says_json(lambda _: r'{"name": "a\u0000b", "age": 1}'), "not valid for the schema"),
    "half a value": (says_json(lambda text: text[:-1]), "not valid for the schema|cut"),
}
"""Of ai_complete's replies, which may be cut, and of those that need be no JSON, the text is the answer."""
