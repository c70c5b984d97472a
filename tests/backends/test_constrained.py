"""A model that is held to a schema: what it writes is valid, or it is said why not."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from random import Random
from typing import Any

import duckdb
import numpy as np
import pytest
import torch

from inlay.backends.constrained.decoding_mask import Constraint, State, compile_constraint, fill_masks, spread_there
from inlay.json_schema import FORMATS, read_schema, validated
from inlay.json_schema.grammar import grammar_of
from inlay.json_schema.number_patterns import integer_pattern, number_pattern
from support.random_schemas import random_schema, write
from support.small_tokenizers import CAN_WRITE, byte_level, made, unigram_without_braces, word_piece

PADDING = 9
"""Columns of logits beyond the tokenizer's tokens, as models have them whose vocabulary was rounded up."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tensors here are so small that threads, where others want the cores too, only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def schema_of(given: Any) -> str:
    return read_schema("ai_extract", given).text


def compiled(given: Any, kind: Callable[[], Any] = byte_level, max_string: int | None = None) -> Constraint:
    tokenizer = made(kind)
    ends = [tokenizer.eos_token_id]
    return compile_constraint(tokenizer, len(tokenizer) + PADDING, ends, schema_of(given), max_string=max_string)


def allowed(state: State) -> list[int]:
    """The tokens that may follow."""
    logits = torch.zeros(1, state.constraint.vocab_size)
    fill_masks([state], logits)
    return torch.nonzero(logits[0] == 0).flatten().tolist()


def takes(constraint: Constraint, text: str, kind: Callable[[], Any] = byte_level) -> bool:
    """Whether the model may write the text, token by token, and end there."""
    tokenizer = made(kind)
    state = constraint.start()
    for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
        if state.finished or token not in allowed(state):
            return False
        state.advance(token)
    return state.finished or tokenizer.eos_token_id in allowed(state)


@pytest.mark.parametrize("kind, n_schemas", [(kind, 400 if kind is byte_level else 100) for kind in CAN_WRITE])
def test_every_finished_reply_is_valid(kind: Callable[[], Any], n_schemas: int) -> None:
    tokenizer = made(kind)
    found: Counter[str] = Counter()
    for start in range(0, n_schemas, 20):
        given = [random_schema(Random(i)) for i in range(start, start + 20)]
        constraints = [compiled(each, kind, max_string=40) for each in given]
        for each, (text, finished, problem) in zip(given, write(constraints, tokenizer, 300, start), strict=True):
            assert problem is None, (each, text)
            if finished:
                reply, reason = validated(schema_of(each), text)
                assert reason is None, (each, text)
                assert reply == text, "what is written is compact already"
            found["valid" if finished else "cut"] += 1
    assert found["valid"] > 0.9 * n_schemas


def test_a_random_language_model_writes_valid_replies() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = made(byte_level)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    width = len(tokenizer) + PADDING
    model = LlamaForCausalLM(LlamaConfig(vocab_size=width, initializer_range=0.3, **sizes)).eval()
    given = [random_schema(Random(f"llama {i}")) for i in range(24)]
    states = [compiled(each, max_string=15).start() for each in given]
    ids = tokenizer(["Which?"] * len(given), return_tensors="pt")["input_ids"]
    n_prompt = ids.shape[1]
    past = None
    with torch.inference_mode():
        for _ in range(250):
            found = model(ids if past is None else ids[:, -1:], past_key_values=past, use_cache=True)
            past, logits = found.past_key_values, found.logits[:, -1].float()
            fill_masks(states, logits)
            drawn = torch.multinomial(torch.softmax(logits, dim=-1), 1)
            for state, token in zip(states, drawn[:, 0].tolist(), strict=True):
                state.advance(token)  # an end token where the reply is finished, for nothing else is let through
            ids = torch.cat([ids, drawn], dim=1)
    finished = 0
    for each, state, row in zip(given, states, ids[:, n_prompt:].tolist(), strict=True):
        if state.finished:
            text = tokenizer.decode([token for token in row if token != tokenizer.eos_token_id])
            assert validated(schema_of(each), text) == (text, None), (each, text)
            finished += 1
    assert finished > 12


def test_a_row_without_a_state_and_a_finished_row() -> None:
    constraint = compiled({"type": "boolean"})
    open_, finished = constraint.start(), constraint.start()
    for token in made(byte_level)("true", add_special_tokens=False)["input_ids"]:
        finished.advance(token)
    assert finished.finished and finished.problem is None
    logits = torch.zeros(3, constraint.vocab_size)
    fill_masks([None, open_, finished], logits)
    assert torch.equal(logits[0], torch.zeros(constraint.vocab_size))
    assert 0 < (logits[1] == 0).sum() < 20
    assert torch.nonzero(logits[2] == 0).flatten().tolist() == [made(byte_level).eos_token_id]


def test_a_batch_is_masked_as_its_rows_are() -> None:
    states = [compiled({"type": kind}).start() for kind in ("string", "integer", "boolean", "null", "number")]
    together = torch.zeros(len(states), states[0].constraint.vocab_size)
    fill_masks(states, together)
    for state, row in zip(states, together, strict=True):
        assert allowed(state) == torch.nonzero(row == 0).flatten().tolist()


def test_logits_may_be_wider_and_narrower_than_the_vocabulary() -> None:
    tokenizer = made(byte_level)
    schema = schema_of("name VARCHAR")
    for width in (len(tokenizer) + 500, len(tokenizer), len(tokenizer) - 50, 300):
        constraint = compile_constraint(tokenizer, width, [tokenizer.eos_token_id], schema, max_string=10)
        (found,) = write([constraint], tokenizer, 200, 3) if width >= len(tokenizer) else [written_narrow(constraint)]
        text, finished, problem = found
        assert finished and problem is None
        assert validated(schema, text) == (text, None)


def written_narrow(constraint: Constraint) -> tuple[str, bool, str | None]:
    draw = Random(0)
    state, ids = constraint.start(), []
    while not state.finished:
        ids.append(draw.choice(allowed(state)))
        assert ids[-1] < constraint.vocab_size
        state.advance(ids[-1])
    return made(byte_level).decode(ids), state.finished, state.problem


def test_several_end_tokens() -> None:
    tokenizer = made(byte_level)
    ends = [tokenizer.convert_tokens_to_ids(token) for token in ("<|end|>", "<|turn|>")]
    constraint = compile_constraint(tokenizer, len(tokenizer), ends, schema_of({"type": "integer"}))
    state = constraint.start()
    assert not set(ends) & set(allowed(state))
    state.advance(tokenizer.convert_tokens_to_ids("1"))
    assert set(ends) <= set(allowed(state)) and not state.finished
    state.advance(ends[1])
    assert state.finished


def test_an_end_token_that_is_text_elsewhere_only_ends() -> None:
    tokenizer = made(byte_level)
    ends = tokenizer.convert_tokens_to_ids(["a", "e", "<|end|>"])
    schema = schema_of({"type": "string"})
    constraint = compile_constraint(tokenizer, len(tokenizer), ends, schema, max_string=20)
    for text, finished, problem in write([constraint] * 20, tokenizer, 100, 0):
        assert finished and problem is None
        assert validated(schema, text) == (text, None)
    with pytest.raises(ValueError, match="no tokens for 'true'"):
        alone = tokenizer.convert_tokens_to_ids(["t"]) + [
            i for i in range(len(tokenizer)) if "t" in tokenizer.decode([i])
        ]
        compile_constraint(tokenizer, len(tokenizer), alone, schema_of({"type": "boolean"}))


def test_a_model_without_an_end_is_said() -> None:
    with pytest.raises(ValueError, match="no token that ends a reply"):
        compile_constraint(made(byte_level), len(made(byte_level)), [], schema_of({"type": "boolean"}))


def test_bits_are_spread_alike_wherever_they_are() -> None:
    bits = np.random.default_rng(0).integers(0, 256, (5, 40), dtype=np.uint8)
    for width in (320, 317, 8, 1):
        expected = np.unpackbits(bits, axis=1, count=width, bitorder="little").astype(bool)
        assert spread_there(torch.from_numpy(bits), width).tolist() == expected.tolist()


def test_special_tokens_are_never_written() -> None:
    tokenizer = made(byte_level)
    special = set(tokenizer.all_special_ids)
    state = compiled({"enum": ["<|turn|>"]}).start()
    while not state.finished:
        found = allowed(state)
        assert not special & set(found)
        state.advance(found[0])


def test_a_token_that_was_forbidden_is_refused() -> None:
    state = compiled({"type": "boolean"}).start()
    with pytest.raises(ValueError, match="is not allowed here"):
        state.advance(made(byte_level).convert_tokens_to_ids("x"))
    with pytest.raises(ValueError, match="is not allowed here"):
        compiled({"type": "boolean"}).start().advance(made(byte_level).eos_token_id)


def test_constraints_are_kept_for_a_tokenizer_and_states_are_their_own() -> None:
    one = compiled({"type": "boolean"})
    assert compiled({"type": "boolean"}) is one
    assert compiled({"type": "boolean"}, max_string=5) is not one
    first, second = one.start(), one.start()
    first.advance(made(byte_level).convert_tokens_to_ids("t"))
    assert allowed(first) != allowed(second)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"type": "string", "pattern": "a(?=b)"}, "look-around, including look-ahead and look-behind, is not supported"),
        ({"type": "string", "pattern": "\\bword"}, "lookarounds not supported"),
        ({"type": "string", "pattern": "(a)\\1"}, "backreferences are not supported"),
        ({"type": "string", "pattern": '^"$'}, "no text without quotes, backslashes and control characters fits"),
        ({"type": "string", "pattern": "^a$", "minLength": 2}, "no text without quotes"),
        ({"type": "string", "pattern": "^[a-z ]+$", "minLength": 1_000, "maxLength": 5_000}, "remove minLength or maxLength"),
        ({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2}, r"no integer is between its bounds \(2 to 1\)"),
        ({"type": "number", "minimum": 1, "exclusiveMaximum": 1}, r"no number is between its bounds \(1 to 1\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_enforced_is_said(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        compiled(given)
    assert "%json" not in str(raised.value) and len(str(raised.value)) < 200


def test_a_vocabulary_that_cannot_write_json_is_said() -> None:
    with pytest.raises(ValueError, match="no tokens for '{', so it cannot write this JSON"):
        compiled("name VARCHAR", unigram_without_braces)
    assert takes(compiled({"type": "boolean"}, unigram_without_braces), "true", unigram_without_braces) is False
    with pytest.raises(ValueError, match="decoder of the tokenizer is WordPiece, so a schema cannot be enforced"):
        compiled({"type": "boolean"}, word_piece)


def test_a_reply_that_cannot_go_on_is_a_problem_and_ends() -> None:
    # ☃ is in no piece of this vocabulary; that shows only where the pattern asks for it.
    constraint = compiled({"type": "string", "pattern": "^a☃$"}, CAN_WRITE[-1])
    state = constraint.start()
    for _ in range(10):
        found = allowed(state)
        if state.problem:
            break
        state.advance(found[0])
    assert state.problem == "nothing that the model can write at this point fits the schema"
    assert found == [made(CAN_WRITE[-1]).eos_token_id]
    state.advance(found[0])
    assert state.finished and state.problem


def test_a_schema_of_too_many_alternatives_is_a_problem_of_its_replies() -> None:
    constraint = compiled({"anyOf": [{"const": f"value {i}"} for i in range(2_500)]})
    ((_, finished, problem),) = write([constraint], made(byte_level), 50, 0)
    assert finished and problem is not None
    assert problem.startswith("the schema is too complex for the grammar engine: ") and "2501 items" in problem
    listed = compiled({"enum": [f"value {i}" for i in range(20_000)]})
    assert takes(listed, '"value 19999"') and not takes(listed, '"value 20000"')


def test_a_format_with_a_length() -> None:
    constraint = compiled({"type": "string", "format": "email", "minLength": 8, "maxLength": 10})
    for text in ("abc@example", "abcd@ef.gh", "a@b", "abcdefgh"):
        assert takes(constraint, f'"{text}"') == (text == "abcd@ef.gh"), text
    both = compiled({"type": "string", "format": "uri", "pattern": "^https://[a-z.]+/x$"})
    assert takes(both, '"https://a.b/x"') and not takes(both, '"https:///x"') and not takes(both, '"https://a/y"')


def test_fields_are_written_in_order_and_optional_ones_may_be_left_out() -> None:
    null = {"type": "null"}
    given = {"type": "object", "properties": {"a": null, "b": null, "c": null, "d": null}, "required": ["b", "d"]}
    constraint = compiled(given)
    for chosen in itertools.product((True, False), repeat=4):
        names = [name for name, is_there in zip("abcd", chosen, strict=True) if is_there]
        text = json.dumps(dict.fromkeys(names), separators=(",", ":"))
        assert takes(constraint, text) == (chosen[1] and chosen[3]), text
    assert not takes(constraint, '{"d":null,"b":null}')
    assert not takes(constraint, '{"b": null,"d":null}'), "no blanks"


def test_all_optional() -> None:
    constraint = compiled({"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}})
    for text in ("{}", '{"a":null}', '{"b":null}', '{"a":null,"b":null}'):
        assert takes(constraint, text), text
    for text in ("{,}", '{"a":null,}', '{,"b":null}', '{"a":null"b":null}'):
        assert not takes(constraint, text), text


@pytest.mark.parametrize("least, most", [(0, None), (0, 0), (0, 1), (0, 3), (1, 1), (1, None), (2, 3), (3, 3)])
def test_lengths_of_lists(least: int, most: int | None) -> None:
    given: dict[str, Any] = {"type": "array", "items": {"type": "null"}, "minItems": least}
    if most is not None:
        given["maxItems"] = most
    constraint = compiled(given)
    for n in range(6):
        text = json.dumps([None] * n, separators=(",", ":"))
        assert takes(constraint, text) == (least <= n <= (9 if most is None else most)), text


def test_lengths_of_strings_count_characters() -> None:
    constraint = compiled({"type": "string", "minLength": 2, "maxLength": 3})
    for text, fits in (("a", False), ("名前", True), ("🙂🙂🙂", True), ('"\\n', True), ("abcd", False), ("", False)):
        assert takes(constraint, json.dumps(text, ensure_ascii=False)) == fits, text
    longest = compiled({"type": "string"}, max_string=3)
    assert takes(longest, '"abc"') and not takes(longest, '"abcd"')
    assert takes(compiled({"type": "string"}), json.dumps("abcd" * 200))
    assert takes(compiled({"type": "string", "minLength": 9}, max_string=3), '"123456789"')


def test_strings_have_no_escapes_that_are_half_a_character() -> None:
    constraint = compiled({"type": "string"})
    for text in ('"\\n"', '"\\\\"', '"\\""', '"\\t\\r\\b\\f"', '"/"'):
        assert takes(constraint, text), text
    for text in ('"\\ud800"', '"\\u0041"', '"\\x"', '"\n"', '"\t"'):
        assert not takes(constraint, text), text


def test_a_pattern_is_searched_for_and_not_matched() -> None:
    constraint = compiled({"type": "string", "pattern": "b"})
    assert takes(constraint, '"abc"') and not takes(constraint, '"ac"')
    digits = compiled({"type": "string", "pattern": r"^\d+$"})
    assert takes(digits, '"12"') and not takes(digits, '"١٢"')


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_formats_are_kept_while_writing(name: str) -> None:
    given = {"type": "string", "format": name}
    constraint = compiled(given)
    found = write([constraint] * 10, made(byte_level), 200, 0)
    for text, finished, problem in found:
        assert problem is None
        assert not finished or validated(schema_of(given), text)[1] is None, text
    assert sum(finished for _, finished, _ in found) >= 8


def test_dates_that_do_not_exist_are_not_written() -> None:
    constraint = compiled({"type": "string", "format": "date"})
    for text, exists in (("2024-02-29", True), ("2023-02-29", False), ("2024-04-31", False), ("2024-12-31", True)):
        assert takes(constraint, f'"{text}"') == exists, text


def test_a_schema_that_refers_to_itself() -> None:
    node = {
        "type": "object",
        "properties": {"v": {"type": "boolean"}, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["v", "next"],
    }
    constraint = compiled(node)
    assert takes(constraint, '{"v":true,"next":{"v":false,"next":{"v":true,"next":null}}}')
    assert not takes(constraint, '{"v":true,"next":{"v":false}}')


def test_every_type_of_duckdb_arrives_as_a_value() -> None:
    """What a constrained model writes for a field of each type is no NULL in DuckDB."""
    asked = (
        "a TINYINT, b SMALLINT, c INT, d BIGINT, e HUGEINT, f UTINYINT, g USMALLINT, h UINTEGER, i UBIGINT, j UHUGEINT, "
        "k FLOAT, l DOUBLE, m DECIMAL(10,2), n DECIMAL(38,10), o DECIMAL(4,4), p DATE, q TIME, r TIMESTAMP, "
        "s TIMESTAMPTZ, t UUID, u BOOLEAN, v ENUM('x', 'y'), w VARCHAR, x INT[], y STRUCT(z DECIMAL(18,3))[2]"
    )
    schema = read_schema("ai_extract", asked)
    given = json.loads(schema.text.replace(',"null"]', "]").replace(",null]", "]"))  # nothing may be left open
    constraint = compiled(given, max_string=10)
    finished = [text for text, is_finished, _ in write([constraint] * 30, made(byte_level), 600, 0) if is_finished]
    assert len(finished) > 20
    structure = schema.structure.replace("'", "''")
    with duckdb.connect() as con:
        for text in finished:
            row = con.execute(f"select unnest(from_json(?, '{structure}'))", [text]).fetchone()
            assert row and all(value is not None for value in row), text


NUMBERS = (
    "0",
    "0.0",
    "1",
    "-1",
    "0.5",
    "-0.5",
    "9",
    "10",
    "99.99",
    "100",
    "-100.001",
    "12345678",
    "0.000001",
    "1e5",
    "01",
    "1.",
    "-",
)


def test_numbers_keep_their_bounds() -> None:
    draw = Random(0)
    refused = accepted = 0
    for _ in range(150):
        bounds = {
            word: draw.choice((0, draw.randint(-20, 20), round(draw.uniform(-10, 10), draw.randint(1, 4))))
            for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
            if draw.random() < 0.5
        }
        schema = json.dumps({"type": "number", **bounds})
        try:
            constraint = compile_constraint(made(byte_level), 2_000, [made(byte_level).eos_token_id], schema)
        except ValueError:
            refused += 1
            continue
        steps = ("0", "0.1", "-0.1", "0.000001", "-0.000001", "1", "-1")
        near = [f"{Decimal(str(bound)) + Decimal(step):f}" for bound in bounds.values() for step in steps]
        for text in (*NUMBERS, *near):
            is_json = re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", text) is not None
            fits = is_json and validated(schema, text)[1] is None
            if text != "1e5" or bounds:
                assert takes(constraint, text) == fits, (bounds, text)
            accepted += fits
    assert refused > 10 and accepted > 500


def test_numbers_come_to_an_end() -> None:
    widest = compiled({"type": "number"})
    assert takes(widest, "1" * 15 + ".123456") and takes(widest, "-2.5e-99")
    assert not takes(widest, "1" * 16) and not takes(widest, "0.1234567") and not takes(widest, "1e100")
    bounded = compiled({"type": "number", "minimum": 0, "maximum": 0.00000001})
    assert takes(bounded, "0.00000001") and not takes(bounded, "0.000000001")
    assert takes(compiled({"type": "integer"}), str(2**63 - 1)) and not takes(compiled({"type": "integer"}), str(2**63))


def test_whole_numbers_between_two_bounds() -> None:
    draw = Random(0)
    for _ in range(400):
        low, high = sorted(draw.randint(-(10**5), 10**5) // 10 ** draw.randint(0, 5) for _ in range(2))
        parts = integer_pattern({"minimum": low, "maximum": high}).replace(" ", "").split("|/")
        expression = re.compile("|".join(part.strip("/") for part in parts))
        for number in {low - 1, low, low + 1, high - 1, high, high + 1, 0, draw.randint(-(10**5), 10**5)}:
            assert bool(expression.fullmatch(str(number))) == (low <= number <= high), (low, high, number)


def test_the_grammar_stays_small() -> None:
    """A wide schema is as long a grammar as it has fields, whichever of them are required."""
    for required in ([], [f"f{i}" for i in range(256)], [f"f{i}" for i in range(0, 256, 2)]):
        wide = {
            "type": "object",
            "properties": {f"f{i}": {"type": ["string", "null"]} for i in range(256)},
            "required": required,
        }
        assert len(grammar_of(schema_of(wide)).text) < 60_000
        assert compiled(wide) is not None
    assert len(number_pattern({"minimum": -1e300, "maximum": 1e300})) < 2_000


def test_a_schema_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the form"):
        grammar_of('{"type": "object"}')
