"""How servers answer a request for embeddings: whatever they do, a vector is its text's or its row fails with a reason.

A behaviour is given the request and the vectors of its texts, and makes the response. RIGHT has those that cost no row,
FAILS those that no row survives, with the reason that is listed, ONE_FAILS those that cost the last text of a request.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from aiohttp import web

Vectors = npt.NDArray[np.float32]
Answer = dict[str, Any]
Embedding = Callable[[dict[str, Any], Vectors], web.Response]


def answer(vectors: Vectors) -> Answer:
    data = [{"object": "embedding", "index": i, "embedding": row.tolist()} for i, row in enumerate(vectors)]
    return {"object": "list", "data": data, "usage": {"prompt_tokens": 10 * len(vectors), "total_tokens": 10}}


def packed(row: npt.NDArray[Any]) -> str:
    return base64.b64encode(row.tobytes()).decode()


def changed(change: Callable[[Answer], Answer]) -> Embedding:
    return lambda _, vectors: web.json_response(change(answer(vectors)))


def each(change: Callable[[npt.NDArray[np.float32]], Any]) -> Embedding:
    return lambda _, vectors: web.json_response(
        answer(vectors) | {"data": [{"index": i, "embedding": change(row)} for i, row in enumerate(vectors)]}
    )


def last(value: Callable[[npt.NDArray[np.float32]], Any]) -> Embedding:
    """The vector of the last text of a request is another one; the request that asks for it alone gets it, too."""

    def behave(body: dict[str, Any], vectors: Vectors) -> web.Response:
        made = answer(vectors)
        for item, text in zip(made["data"], body["input"], strict=True):
            if text.endswith("last"):
                item["embedding"] = value(vectors[item["index"]])
        return web.json_response(made)

    return behave


def indexed(index: Callable[[int, int], Any]) -> Embedding:
    """index: of a vector, by its place and how many there are."""
    return changed(
        lambda made: (
            made | {"data": [item | {"index": index(i, len(made["data"]))} for i, item in enumerate(made["data"])]}
        )
    )


RIGHT: dict[str, Embedding] = {
    "plain": changed(lambda made: made),
    "in base64": each(packed),
    "in another order": changed(lambda made: made | {"data": made["data"][::-1]}),
    "without indices": changed(
        lambda made: made | {"data": [{"embedding": item["embedding"]} for item in made["data"]]}
    ),
    "no usage": changed(lambda made: {"data": made["data"]}),
    "usage below nothing": changed(lambda made: made | {"usage": {"prompt_tokens": -5}}),
    "usage beyond anything": changed(lambda made: made | {"usage": {"prompt_tokens": 10**400}}),
    "usage in words": changed(lambda made: made | {"usage": "some"}),
    "by another model's name": changed(lambda made: made | {"model": "other"}),
}

WRONG_INDEX = "which vector belongs to which text"
WRONG_COUNT = r"\d+ vectors? for|vectors for"
NO_NUMBERS = "no vector of numbers"
FAILS: dict[str, tuple[Embedding, str]] = {
    "one index for all": (indexed(lambda i, n: 0 if n > 1 else 1), WRONG_INDEX),
    "indices from one": (indexed(lambda i, _: i + 1), WRONG_INDEX),
    "indices in words": (indexed(lambda i, _: str(i)), WRONG_INDEX),
    "indices that are true": (indexed(lambda i, _: bool(1 - i)), WRONG_INDEX),
    "one vector too many": (changed(lambda made: made | {"data": [*made["data"], made["data"][0]]}), WRONG_COUNT),
    "no vectors": (changed(lambda made: made | {"data": []}), WRONG_COUNT),
    "vectors by name": (changed(lambda made: made | {"data": {"0": made["data"]}}), WRONG_COUNT),
    "NaN in words": (each(lambda row: ["NaN"] * len(row)), NO_NUMBERS),
    "numbers in words": (each(lambda row: ["a"] * len(row)), NO_NUMBERS),
    "true and false": (each(lambda row: [True] * len(row)), NO_NUMBERS),
    "null": (each(lambda row: None), NO_NUMBERS),
    "null for numbers": (each(lambda row: [None] * len(row)), "not finite|no vector of numbers"),
    "a vector for each token": (each(lambda row: [row.tolist()] * 3), NO_NUMBERS),
    "half of base64": (each(lambda row: packed(row)[:-3]), NO_NUMBERS),
    "base64 of nothing": (each(lambda row: ""), "0 numbers"),
    "nothing but zeros": (each(lambda row: [0.0] * len(row)), "zeros"),
    "numbers too large": (each(lambda row: [1e300] * len(row)), "not finite"),
    "an error": (lambda *_: web.json_response({"error": {"message": "no memory", "code": 400}}, status=400), "no memory"),
    "an error inside": (lambda *_: web.json_response({"error": {"message": "no memory", "code": 500}}), "no memory"),
    "a page": (lambda *_: web.Response(text="<html>down</html>", content_type="text/html"), "not an answer"),
    "a chat completion": (lambda *_: web.json_response({"choices": [{"message": {"content": "[1]"}}]}), "not an answer"),
}  # fmt: skip

ONE_FAILS: dict[str, tuple[Embedding, str]] = {
    "another width": (last(lambda row: row[:-1].tolist()), "7 numbers, not 8"),
    "another width in base64": (last(lambda row: packed(np.append(row, row))), "16 numbers, not 8"),
    "doubles in base64": (last(lambda row: packed(row.astype(np.float64))), "16 numbers, not 8"),
    "no number": (last(lambda row: [float("nan"), *row[1:].tolist()]), "not finite"),
    "no vector": (last(lambda row: {"values": row.tolist()}), NO_NUMBERS),
    "all zeros": (last(lambda row: [0] * len(row)), "zeros"),
}
