"""Is every reply that was held to a schema valid, and what does holding cost?

The model knows nothing: it draws among the tokens that the mask lets through, all alike or every other time those first
that close something. A real model stays nearer to what a schema means; this one finds what the grammar forgot.
"""

from __future__ import annotations

import string
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from bench.report import save, spread, table

# The schemas and tokenizers are those of the tests, which run a short form of the first part.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

_MAX_TOKENS = 400
_AT_ONCE = 32
_ORDER = "name VARCHAR, amount DECIMAL(10,2), ordered DATE, kind ENUM('new', 'refund', 'question'), tags VARCHAR[]"


def replies(short: bool) -> None:
    """One reply to each of many random schemas, by each kind of tokenizer. Every finished reply is validated by
    jsonschema; one that is not finished is cut at 400 tokens."""
    import torch

    from support.small_tokenizers import CAN_WRITE, made

    torch.set_num_threads(1)
    found: dict[str, Counter[str]] = {}
    for number, kind in enumerate(CAN_WRITE):
        n_schemas = 500 if short else 10_000 if number == 0 else 2_000
        found[kind.__name__] = _written(made(kind), n_schemas)
    columns = ["schemas", "refused", "finished and valid", "cut at 400 tokens", "problem", "finished and wrong"]
    rows = [[name, *(f"{counts[column]:,}" for column in columns)] for name, counts in found.items()]
    print(table(["tokenizer", *columns], rows))
    save("constrained.replies", {name: dict(counts) for name, counts in found.items()})


def _written(tokenizer: Any, n_schemas: int) -> Counter[str]:
    from inlay.backends.constrained.decoding_mask import Constraint, compile_constraint
    from inlay.json_schema import read_schema, validated
    from support.random_schemas import random_schema, write

    counts: Counter[str] = Counter(schemas=n_schemas)
    for start in range(0, n_schemas, _AT_ONCE):
        held: list[tuple[str, Constraint]] = []
        for number in range(start, min(start + _AT_ONCE, n_schemas)):
            schema = read_schema("ai_extract", random_schema(Random(number))).text
            try:
                held.append((schema, compile_constraint(tokenizer, len(tokenizer), [tokenizer.eos_token_id], schema)))
            except ValueError as error:
                print(f"schema {number} is refused: {error}")
                counts["refused"] += 1
        written = write([constraint for _, constraint in held], tokenizer, _MAX_TOKENS, start)
        for (schema, _), (text, finished, problem) in zip(held, written, strict=True):
            reason = validated(schema, text)[1] if finished and not problem else None
            if reason:
                print(f"{reason}\n  {text}\n  {schema}")
            outcome = "problem" if problem else "cut at 400 tokens" if not finished else "finished and wrong"
            counts[outcome if problem or not finished or reason else "finished and valid"] += 1
    return counts


def masks(short: bool) -> None:
    """Milliseconds of a step, all rows together, over vocabularies as wide as today's. Rows stand at different places
    of one schema. Beside it, what the choice of the likeliest token takes, which every step pays in any case."""
    import torch

    from inlay.backends.constrained.decoding_mask import compile_constraint, fill_masks
    from inlay.json_schema import read_schema

    schema = read_schema("ai_extract", _ORDER).text
    rows, rounds = [], 5 if short else 20
    found: dict[str, Any] = {}
    for size in (32_000, 128_000):
        tokenizer = _wide_tokenizer(size)
        started = time.perf_counter()
        constraint = compile_constraint(tokenizer, size, [tokenizer.eos_token_id], schema)
        first_s = time.perf_counter() - started
        other = read_schema("ai_extract", _ORDER + ", more BOOLEAN").text
        started = time.perf_counter()
        compile_constraint(tokenizer, size, [tokenizer.eos_token_id], other)
        compile_s = time.perf_counter() - started
        for n_rows in (1, 32, 128):
            states = _on_the_way(constraint, tokenizer, n_rows)
            logits = torch.zeros(n_rows, size)
            mask_ms, choice_ms = [], []
            for _ in range(rounds):
                logits.zero_()
                started = time.perf_counter()
                fill_masks(states, logits)
                masked = time.perf_counter()
                logits.argmax(dim=1)
                mask_ms.append(1e3 * (masked - started))
                choice_ms.append(1e3 * (time.perf_counter() - masked))
            rows.append([f"{size:,}", f"{n_rows}", spread(mask_ms), spread(choice_ms)])
            found[f"{size} {n_rows}"] = {"mask_ms": mask_ms, "choice_ms": choice_ms}
        found[f"{size}"] = {"first_schema_s": first_s, "next_schema_s": compile_s}
        print(f"{size:,} tokens: first schema {first_s:.2f} s, the next {1e3 * compile_s:.1f} ms")
    print()
    print(table(["vocabulary", "rows", "masks ms", "choice ms"], rows))
    save("constrained.masks", found)


def _wide_tokenizer(size: int) -> Any:
    """BPE over bytes with made-up words: a mask looks at what tokens say, not at how they came about."""
    import json

    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    from support.small_tokenizers import byte_level

    draw = np.random.default_rng(0)
    file = json.loads(byte_level().backend_tokenizer.to_str())
    vocabulary = file["model"]["vocab"]
    letters = np.array(list(string.ascii_lowercase))
    while len(vocabulary) < size:
        word = "".join(draw.choice(letters, draw.integers(2, 9)))
        vocabulary.setdefault(f"Ġ{word}" if draw.random() < 0.5 else word, len(vocabulary))
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(file)), eos_token="<|end|>")


def _on_the_way(constraint: Any, tokenizer: Any, n_rows: int) -> list[Any]:
    """States of n_rows replies, each some tokens further than the one before it."""
    text = '{"name":"Anna Maria","amount":12.5,"ordered":"2024-02-29","kind":"refund","tags":["late","broken box"'
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    states = [constraint.start() for _ in range(n_rows)]
    for place, state in enumerate(states):
        for token in ids[: place % len(ids)]:
            state.advance(token)
    return states


PARTS = {"replies": replies, "masks": masks}
