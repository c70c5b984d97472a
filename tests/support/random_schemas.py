"""Random JSON Schemas of every kind that is understood, and replies of a model that knows nothing but the mask."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import torch

from inlay.backends.constrained.decoding_mask import Constraint, fill_masks

NAMES = (
    "name",
    "age",
    "a",
    "b",
    "Tags of it",
    "it's",
    'say "x"',
    "naïve",
    "名前",
    "a\\b",
    "line\nbreak",
    "😀",
    "x.y",
    "$ref",
    "null",
)
TEXTS = (
    "a",
    "b",
    "",
    "two words",
    'a "quote"',
    "back\\slash",
    "tab\t",
    "line\nbreak",
    "é",
    "名前",
    "😀",
    "null",
    "1",
    "{}",
    "a,b",
    "</s>",
)
PATTERNS = (
    r"^[A-Z]{2}[0-9]{3,5}$",
    r"^\d{4}-\d{2}$",
    r"\w+@\w+",
    r"^(red|green|blue)( light)?$",
    r'^[^"]*;[^"]*$',
    r"^\.+$",
    r"^[a-zà-ÿ ]+$",
    r"x",
    r"^$",
    r"^\S+$",
    r"^[^a]\D\W$",
    r"^.{3}$",
    r"^https?:\/\/[a-z.]+\/$",
    r"^'|\"$",
    r"[ \n\t]",
    r"^[\w.-]+$",
)  # fmt: skip
FORMATS = ("date", "date-time", "time", "email", "uuid", "uri")


def random_schema(draw: Random) -> dict[str, Any]:
    """A schema as read_schema() takes it: mostly an object, sometimes with definitions that refer to themselves."""
    definitions = [f"D{i}" for i in range(draw.choice((0, 0, 0, 1, 2)))]
    schema = _object(draw, 3, definitions) if draw.random() < 0.9 else _value(draw, 3, definitions)
    if "const" in schema:  # alone it reads as a question about a field of that name
        schema = {"enum": [schema["const"]]}
    # What refers to a definition from within one may be null, so that there is an end.
    defined = {name: _object(draw, 1, definitions, within=True) for name in definitions}
    return {**schema, "$defs": defined} if defined else schema


def _value(draw: Random, levels: int, definitions: list[str], within: bool = False) -> dict[str, Any]:
    kinds = ["string"] * 4 + ["integer", "number"] * 2 + ["boolean", "null", "enum", "const"]
    if levels > 0:
        kinds += ["object", "array", "array", "anyOf"]
        if definitions:
            kinds += ["ref"] * 2
    kind = draw.choice(kinds)
    if kind == "ref":
        reference = {"$ref": f"#/$defs/{draw.choice(definitions)}"}
        return {"anyOf": [reference, {"type": "null"}]} if within or draw.random() < 0.3 else reference
    if kind == "anyOf":
        branches = [_value(draw, levels - 1, definitions, within) for _ in range(draw.randint(1, 3))]
        return {"anyOf": [*branches, {"type": "null"}] if draw.random() < 0.5 else branches}
    if kind == "enum":
        return {"enum": _distinct([_constant(draw) for _ in range(draw.randint(1, 5))])}
    if kind == "const":
        return {"const": _constant(draw)}
    if kind == "object":
        return _object(draw, levels - 1, definitions, within)
    made = _array(draw, levels, definitions, within) if kind == "array" else {"type": kind, **_words(draw, kind)}
    return {**made, "type": [kind, "null"]} if kind != "null" and draw.random() < 0.25 else made


def _object(draw: Random, levels: int, definitions: list[str], within: bool = False) -> dict[str, Any]:
    names = draw.sample(NAMES, draw.randint(1, 5))
    properties = {name: _value(draw, levels, definitions, within) for name in names}
    required = [name for name in names if draw.random() < 0.7]
    return {"type": "object", "properties": properties, "required": draw.sample(required, len(required))}


def _array(draw: Random, levels: int, definitions: list[str], within: bool) -> dict[str, Any]:
    least = draw.choice((0, 0, 0, 1, 2))
    lengths = {"minItems": least} if draw.random() < 0.5 or least else {}
    if draw.random() < 0.6:
        lengths["maxItems"] = least + draw.choice((0, 1, 3))
    return {"type": "array", "items": _value(draw, levels - 1, definitions, within), **lengths}


def _words(draw: Random, kind: str) -> dict[str, Any]:
    if kind == "string":
        return _string(draw)
    if kind in ("integer", "number"):
        return _bounds(draw, kind)
    return {}


def _string(draw: Random) -> dict[str, Any]:
    chance = draw.random()
    if chance < 0.2:
        return {"format": draw.choice(FORMATS)}
    if chance < 0.4:
        long = {"maxLength": draw.randint(20, 200)} if draw.random() < 0.3 else {}
        return {"pattern": draw.choice(PATTERNS), **long}
    least = draw.choice((0, 0, 1, 5))
    lengths = {"minLength": least} if least else {}
    if draw.random() < 0.5:
        lengths["maxLength"] = least + draw.choice((0, 1, 10, 300))
    return lengths


def _bounds(draw: Random, kind: str) -> dict[str, Any]:
    """Bounds with at least a whole number between them."""
    low: float = draw.choice((0, 1, -1, draw.randint(-1000, 1000), -(2**40), 0.5, -2.25, round(draw.uniform(-9, 9), 4)))
    high = low + draw.choice((2, 3.5, 10, 1000, 10**9))
    found: dict[str, Any] = {}
    if draw.random() < 0.5:
        found[draw.choice(("minimum", "exclusiveMinimum"))] = low
    if draw.random() < 0.5:
        found[draw.choice(("maximum", "exclusiveMaximum"))] = high
    return found


def _constant(draw: Random) -> Any:
    return draw.choice(
        (draw.choice(TEXTS), draw.choice(TEXTS), draw.randint(-99, 99), 2.5, True, None, [1, "a"], {"k": [None]})
    )


def _distinct(values: list[Any]) -> list[Any]:
    return list({repr(value): value for value in values}.values())


def write(
    constraints: Sequence[Constraint], tokenizer: Any, max_tokens: int, seed: int
) -> list[tuple[str, bool, str | None]]:
    """For each constraint (text, whether it is finished, problem) of a model that draws among the tokens that the mask
    lets through: all alike, or every other time those first that begin with a closing character, or it would seldom
    come to an end."""
    width = constraints[0].vocab_size
    draw = torch.Generator().manual_seed(seed)
    closing = torch.tensor([float(tokenizer.decode([token])[:1] in ('"', "]", "}")) for token in range(len(tokenizer))])
    closing = torch.nn.functional.pad(closing, (0, width - len(tokenizer)))
    closing[list(constraints[0].eos_ids)] = 1.0
    states = [constraint.start() for constraint in constraints]
    written: list[list[int]] = [[] for _ in states]
    for _ in range(max_tokens):
        live = [i for i, state in enumerate(states) if not state.finished]
        if not live:
            break
        leaning = torch.rand(len(live), 1, generator=draw) < 0.5
        logits = torch.rand(len(live), width, generator=draw) + closing * leaning
        fill_masks([states[i] for i in live], logits)
        for i, token in zip(live, logits.argmax(dim=1).tolist(), strict=True):
            states[i].advance(token)
            if token not in constraints[0].eos_ids:
                written[i].append(token)
    return [
        (tokenizer.decode(tokens, clean_up_tokenization_spaces=False), state.finished, state.problem)
        for tokens, state in zip(written, states, strict=True)
    ]
