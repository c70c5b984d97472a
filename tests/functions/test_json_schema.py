"""What a person may ask for, what DuckDB makes of the answers, and which replies are none."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from inlay.errors import ConfigError
from inlay.json_schema import FORMATS, ReplySchema, read_schema, validated


def read(given: Any) -> ReplySchema:
    return read_schema("ai_extract", given)


def typed(schema: ReplySchema, reply: str = "null") -> tuple[str, Any]:
    """(the type, the value) of a reply in DuckDB."""
    with duckdb.connect() as con:
        found = con.execute(
            f"select typeof(from_json(?, {literal(schema.structure)})), from_json(?, {literal(schema.structure)})",
            [reply, reply],
        ).fetchone()
        same = con.execute(f"select typeof(null::{schema.sql_type})").fetchone()
    assert found and same and found[0] == same[0], "from_json and sql_type disagree"
    return found


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def object_of(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields)}


ASKED = [
    pytest.param({"name": "Who wrote it?", "city": "Where from?"}, "STRUCT(name VARCHAR, city VARCHAR)", id="questions"),
    pytest.param(["b", "a"], "STRUCT(b VARCHAR, a VARCHAR)", id="names in their order"),
    pytest.param('["b", "a"]', "STRUCT(b VARCHAR, a VARCHAR)", id="names as JSON"),
    pytest.param("STRUCT(name VARCHAR, age INT)", "STRUCT(name VARCHAR, age INTEGER)", id="struct"),
    pytest.param("name TEXT, age INT", "STRUCT(name VARCHAR, age INTEGER)", id="fields without STRUCT"),
    pytest.param("date DATE, \"order\" INT", 'STRUCT(date DATE, "order" INTEGER)', id="a field named like a type"),
    pytest.param("a TINYINT, b SMALLINT, c BIGINT, d HUGEINT", "STRUCT(a TINYINT, b SMALLINT, c BIGINT, d HUGEINT)", id="signed"),
    pytest.param("a UTINYINT, b USMALLINT, c UINTEGER, d UBIGINT, e UHUGEINT", "STRUCT(a UTINYINT, b USMALLINT, c UINTEGER, d UBIGINT, e UHUGEINT)", id="unsigned"),
    pytest.param("a DECIMAL(10,2), b DECIMAL, c DECIMAL(38, 0), d NUMERIC(5)", "STRUCT(a DECIMAL(10,2), b DECIMAL(18,3), c DECIMAL(38,0), d DECIMAL(5,0))", id="decimals"),
    pytest.param("a DATE, b TIMESTAMP, c TIMESTAMPTZ, d TIME, e UUID", "STRUCT(a DATE, b TIMESTAMP, c TIMESTAMP WITH TIME ZONE, d TIME, e UUID)", id="times"),
    pytest.param("a BOOLEAN, b FLOAT, c DOUBLE, d REAL", "STRUCT(a BOOLEAN, b FLOAT, c DOUBLE, d FLOAT)", id="floats"),
    pytest.param("a VARCHAR[], b INT[][], c LIST(INT), d INT[3], e STRUCT(x INT)[2][]", "STRUCT(a VARCHAR[], b INTEGER[][], c INTEGER[], d INTEGER[3], e STRUCT(x INTEGER)[2][])", id="lists"),
    pytest.param("kind ENUM('a', 'it''s'), inner STRUCT(x DOUBLE)", "STRUCT(kind VARCHAR, \"inner\" STRUCT(x DOUBLE))", id="enum"),
    pytest.param("VARCHAR[]", "VARCHAR[]", id="a list alone"),
    pytest.param('STRUCT("we ird" INT, "a""b" INT, "it\'s" INT, "naïve 名" INT, "select" INT, Upper INT)', 'STRUCT("we ird" INTEGER, "a""b" INTEGER, "it\'s" INTEGER, "naïve 名" INTEGER, "select" INTEGER, Upper INTEGER)', id="names"),
    pytest.param(object_of(a={"type": "string"}, b={"type": "integer"}, c={"type": "number"}, d={"type": "boolean"}), "STRUCT(a VARCHAR, b BIGINT, c DOUBLE, d BOOLEAN)", id="JSON Schema"),
    pytest.param(json.dumps(object_of(a={"type": "array", "items": object_of(b={"type": ["integer", "null"]})})), "STRUCT(a STRUCT(b BIGINT)[])", id="nested, as text"),
    pytest.param({"a": {"type": "string"}, "b": {"type": "integer"}}, "STRUCT(a VARCHAR, b BIGINT)", id="properties alone"),
    pytest.param(object_of(a={"type": "string", "format": "date"}, b={"type": "string", "format": "date-time"}, c={"type": "string", "format": "uuid"}, d={"type": "string", "format": "email"}), "STRUCT(a DATE, b TIMESTAMP WITH TIME ZONE, c UUID, d VARCHAR)", id="formats"),
    pytest.param(object_of(a={"anyOf": [{"type": "integer"}, {"type": "null"}]}, b={"anyOf": [{"type": "integer"}, {"type": "string"}]}, c={"type": ["string", "number"]}), "STRUCT(a BIGINT, b JSON, c JSON)", id="alternatives"),
    pytest.param(object_of(a={"enum": ["x", None]}, b={"enum": [1, 2]}, c={"enum": [1, 2.5]}, d={"enum": [1, "x"]}, e={"const": True}, f={"const": 1, "type": "number"}, g={"enum": [2**70]}, h={"type": "null"}), "STRUCT(a VARCHAR, b BIGINT, c DOUBLE, d JSON, e BOOLEAN, f DOUBLE, g JSON, h JSON)", id="listed values"),
    pytest.param({"$ref": "#/$defs/P", "$defs": {"P": object_of(a={"$ref": "#/$defs/A"}), "A": {"type": "integer"}}}, "STRUCT(a BIGINT)", id="references"),
    pytest.param({"$ref": "#/$defs/a~1b", "$defs": {"a/b": object_of(a={"type": "string"})}}, "STRUCT(a VARCHAR)", id="a reference with a slash"),
    pytest.param({"$ref": "#/$defs/N", "$defs": {"N": object_of(v={"type": "integer"}, kids={"type": "array", "items": {"$ref": "#/$defs/N"}})}}, "STRUCT(v BIGINT, kids JSON[])", id="recursion"),
    pytest.param({"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}, "STRUCT(next JSON)", id="recursion to the root"),
    pytest.param({"type": "What kind is it?", "properties": "Which?"}, "STRUCT(\"type\" VARCHAR, properties VARCHAR)", id="questions about words of JSON Schema"),
]  # fmt: skip


@pytest.mark.parametrize("given, type_", ASKED)
def test_duckdb_gives_the_type_that_is_said(given: Any, type_: str) -> None:
    schema = read(given)
    found, value = typed(schema)
    with duckdb.connect() as con:
        assert con.execute(f"select typeof(null::{type_})").fetchone() == (found,)
    assert value is None


@pytest.mark.parametrize("given, type_", [case for case in ASKED if case.id not in ("signed", "unsigned", "decimals")])
def test_a_schema_that_was_read_reads_as_itself(given: Any, type_: str) -> None:
    text = read(given).text
    assert read(text).text == text  # but for integers wider than BIGINT, which a DuckDB type alone can ask for
    assert json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")) == text


def test_every_answer_to_a_question_may_be_null() -> None:
    schema = read({"name": "Who?", "city": None})
    assert json.loads(schema.text)["required"] == ["name", "city"]
    assert validated(schema.text, '{"name": null, "city": "Rome"}') == ('{"name":null,"city":"Rome"}', None)
    assert (
        validated(schema.text, '{"name": "x"}')[1] == "the reply does not fit the schema: 'city' is a required property"
    )


def test_questions_are_kept_for_the_prompt() -> None:
    assert read({"name": "Who?", "city": "", "age": None}).questions == (("name", "Who?"),)
    assert read("name VARCHAR COMMENT 'Who?', items STRUCT(price INT COMMENT 'In cents?')[]").questions == (
        ("name", "Who?"),
        ("items[].price", "In cents?"),
    )
    place = {
        "type": "object",
        "description": "A place",
        "properties": {"city": {"type": "string", "description": "Its city"}},
    }
    given = {
        **object_of(home={"$ref": "#/$defs/Place"}, work={"$ref": "#/$defs/Place", "description": "Where to?"}),
        "$defs": {"Place": place},
    }
    assert read(given).questions == (
        ("home", "A place"),
        ("home.city", "Its city"),
        ("work", "Where to?"),
        ("work.city", "Its city"),
    )


def test_fields_keep_their_order_and_equal_schemas_their_text() -> None:
    one = {
        "required": ["b", "a"],
        "properties": {"b": {"maxLength": 3, "type": "string"}, "a": {"type": "null"}},
        "type": "object",
    }
    other = {
        "type": "object",
        "properties": {"b": {"type": "string", "maxLength": 3}, "a": {"type": "null"}},
        "required": ["a", "b"],
        "additionalProperties": False,
        "$schema": "x",
    }
    assert read(one).text == read(other).text
    assert list(json.loads(read(one).text)["properties"]) == ["b", "a"]


def test_fields_that_are_not_required_may_be_left_out() -> None:
    schema = read(
        {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["b"]}
    )
    reply, reason = validated(schema.text, '{"b": 1}')
    assert (reply, reason) == ('{"b":1}', None)
    assert reply and typed(schema, reply)[1] == {"a": None, "b": 1}


def test_integers_stay_within_their_type() -> None:
    for kind, low, high in (("TINYINT", -128, 127), ("UBIGINT", 0, 2**64 - 1), ("BIGINT", -(2**63), 2**63 - 1)):
        schema = read(f"n {kind}")
        for fits in (low, high):
            reply, _ = validated(schema.text, f'{{"n":{fits}}}')
            assert reply and typed(schema, reply)[1] == {"n": fits}
        for beyond in (low - 1, high + 1):
            assert validated(schema.text, f'{{"n":{beyond}}}')[0] is None
    assert validated(read(object_of(n={"type": "integer"})).text, f'{{"n":{2**63}}}')[0] is None


@pytest.mark.parametrize("kind", ["DECIMAL(10,2)", "DECIMAL(4,4)", "DECIMAL(18,3)", "DECIMAL(38,10)", "DECIMAL(38,37)"])
def test_decimals_stay_within_their_type(kind: str) -> None:
    schema = read(f"n {kind}")
    limit = json.loads(schema.text)["properties"]["n"]["maximum"]
    reply, _ = validated(schema.text, f'{{"n": {Decimal(limit):f}}}')
    assert reply
    value = typed(schema, reply)[1]["n"]
    assert value is not None and abs(value - Decimal(limit)) <= Decimal(limit) * Decimal("1e-15")
    assert validated(schema.text, json.dumps({"n": limit * 1.001}))[0] is None


def test_values_arrive_in_duckdb_as_they_were_written() -> None:
    schema = read('born DATE, seen TIMESTAMP, paid DECIMAL(20,2), tags VARCHAR[], big HUGEINT, it STRUCT("it\'s" INT)')
    written = '{ "born": "2024-02-29",\n "seen": "2024-01-31T10:00:00+05:00", "paid": 123456789012345.10, "tags": ["a b", "\\"x\\": [ ]"], "big": 123456789012345678901234567890, "it": {"it\'s": 1} }'
    reply, reason = validated(schema.text, written)
    assert reason is None and reply and " " not in reply.replace("a b", "").replace(': [ ]"', "")
    value = typed(schema, reply)[1]
    assert value["born"] == date(2024, 2, 29) and str(value["seen"]) == "2024-01-31 10:00:00"
    assert value["paid"] == Decimal("123456789012345.10") and value["tags"] == ["a b", '"x": [ ]']
    assert value["big"] == 123456789012345678901234567890 and value["it"] == {"it's": 1}


@pytest.mark.parametrize(
    "reply", ['```json\n{"a": 1}\n```', '```\n{"a":1}```', '  {"a" : 1}\n', '```JSON\r\n{"a":1}\r\n```\n']
)
def test_fences_and_blanks_are_no_part_of_a_reply(reply: str) -> None:
    assert validated(read("a INT").text, reply) == ('{"a":1}', None)


@pytest.mark.parametrize(
    "reply, reason",
    [
        ('{"a": 1, "a": 2}', "the field 'a' occurs twice in one object"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ('{"a": 1e999}', "the number '1e999' is too large for a double"),
        ("", "the reply is not JSON: Expecting value at character 0 of ''"),
        ('{"a": 1', "the reply is not JSON: Expecting ',' delimiter at character 7"),
        ('Here it is: {"a": 1}', "the reply is not JSON: Expecting value at character 0"),
        ('{"a": "x"}', "the reply does not fit the schema at $.a: 'x' is not of type 'number', 'null'"),
        ('{"b": 1}', "the reply does not fit the schema: "),
        ('{"a": 1, "b": "\\ud800"}', "the reply contains half of a surrogate pair"),
        ('{"a": 1, "b": ' + '"' + "x" * 5_000 + '"}', "is too long"),
        ("[" * 100_000 + "]" * 100_000, "the reply is nested too deeply to be read"),
        ('{"a": ' + "9" * 10_000 + "}", "the reply is not JSON that DuckDB can store: "),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_said(reply: str, reason: str) -> None:
    schema = read(
        {
            "type": "object",
            "properties": {"a": {"type": ["number", "null"]}, "b": {"type": "string", "maxLength": 10}},
            "required": ["a"],
        }
    )
    kept, said = validated(schema.text, reply)
    assert kept is None and said and reason in said
    assert len(said) < 400


GOOD = {
    "date": ["2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31", "1999-04-30"],
    "date-time": ["2024-01-31T23:59:59Z", "2024-01-31T00:00:00.123456789+14:00", "0004-02-29T00:00:00-23:59"],
    "time": ["00:00:00Z", "23:59:59.5-01:30"],
    "email": ["a@b", "first.last+tag@mail.example.com"],
    "uuid": ["b2c7c0f8-0f5d-4F2E-8f55-0c9a3e8f2d11"],
    "uri": ["https://a.example/x?y=[1]&z=%20#top", "mailto:a@b", "urn:isbn:1"],
}
BAD = {
    "date": ["2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-04-31", "0000-01-01", "24-01-01", "2024-1-1", "2024-01-01\n", "٢٠٢٤-01-01"],
    "date-time": ["2024-01-31 10:00:00Z", "2024-01-31T10:00:00", "2024-01-31T24:00:00Z", "2024-01-31T10:00:60Z", "2024-02-30T10:00:00Z"],
    "time": ["10:00:00", "10:00Z", "24:00:00Z"],
    "email": ["a", "a@", "@b", "a b@c", "a@b..c", "a@-b"],
    "uuid": ["b2c7c0f80f5d4f2e8f550c9a3e8f2d11", "g2c7c0f8-0f5d-4f2e-8f55-0c9a3e8f2d11"],
    "uri": ["/relative", "https:", "https://a b", "http://x/%zz", "1:x"],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_formats_are_checked(name: str) -> None:
    schema = read(object_of(a={"type": "string", "format": name}))
    for value in GOOD[name]:
        reply, reason = validated(schema.text, json.dumps({"a": value}))
        assert reason is None, reason
        with duckdb.connect() as con:
            kept = con.execute(f"select from_json(?, {literal(schema.structure)}).a is not null", [reply]).fetchone()
        assert kept == (True,), value
    for value in BAD[name]:
        assert validated(schema.text, json.dumps({"a": value}))[0] is None, value


def test_dates_are_those_of_the_calendar() -> None:
    expression = re.compile(FORMATS["date"])
    for year in (*range(1, 9), 100, 400, 1900, *range(1996, 2026), 2100, 9999):
        for month in range(14):
            for day in range(33):
                text = f"{year:04}-{month:02}-{day:02}"
                try:
                    date.fromisoformat(text)
                    real = True
                except ValueError:
                    real = False
                assert bool(expression.fullmatch(text)) == real, text


REFUSED = [
    ("", "'' is not a DuckDB type. Type, for example, 'name VARCHAR"),
    ("name", "the field 'name' has no type. Type, for example, name VARCHAR"),
    ("STRUCT(a INT", "is not a DuckDB type"),
    ("INT) , (1", "is not a DuckDB type"),
    ("INT; drop table x", "is not a DuckDB type"),
    ("a INT, b", "the field 'b' has no type"),
    ("select VARCHAR", "A name that is a word of SQL needs quotes"),
    ("a INT, select VARCHAR", "A name that is a word of SQL needs quotes"),
    ("STRUCT(a " * 3_000 + "INT" + ")" * 3_000, "is not a DuckDB type"),
    ("INT" + "[]" * 20, "nested more than 12 levels deep"),
    ("a BLOB", "cannot have the type BLOB. Types: VARCHAR, BOOLEAN"),
    ("a MAP(VARCHAR, INT)", "cannot have the type MAP"),
    ("a JSON", "cannot have the type JSON"),
    ("a foo", "cannot have the type foo"),
    ("a INT NOT NULL", "NOT NULL after the field 'a' is not supported"),
    ("a DECIMAL(50,2)", "is not a DECIMAL of DuckDB"),
    ("a INT, a INT", "the field 'a' occurs twice"),
    ("a INT, A INT", "'a' and 'A' are the same field in DuckDB"),
    ("{", "the text begins like JSON but is not valid JSON"),
    ('{"a": "x", "a": "y"}', "the field 'a' occurs twice"),
    ({}, "it has no fields"),
    ([], "expected a list of names"),
    ([1], "expected a list of names"),
    (["a", "a"], "the field 'a' occurs twice"),
    (5, "got 5. Type questions"),
    (None, "got None. Type questions"),
    ({1: "x"}, "field names must be texts; got 1"),
    ({"": "x"}, "'' cannot be the name of a field"),
    ({"a": 5}, "the value of 'a' is 5; expected a question or NULL"),
    ({"a": "VARCHAR", "b": "BIGINT"}, "the values are types, but the values of a mapping are questions. Type 'a VARCHAR, b BIGINT' instead"),
    ({"a": {}}, "schema at a: it has no type"),
    ({"a": {"type": "strin"}}, "schema at a: unknown type 'strin'. Types: object, array"),
    ({"a": {"type": "string", "minimum": 3}}, "schema at a: 'minimum' is not supported for type string"),
    ({"a": {"type": "string", "minLength": "3"}}, "minLength is '3'; expected a whole number from 0"),
    ({"a": {"type": "string", "minLength": 3, "maxLength": 2}}, "minLength 3 is greater than maxLength 2: no value fits"),
    ({"a": {"type": "string", "format": "ipv7"}}, "unknown format 'ipv7'. Formats: date, date-time"),
    ({"a": {"type": "string", "pattern": "("}}, "pattern is '('; expected a regular expression"),
    ({"a": {"type": "integer", "minimum": 2**63}}, "no value fits"),
    ({"a": {"type": ["integer", "number"]}}, "write number alone"),
    ({"a": {"type": "array"}}, "schema at a: an array needs items"),
    ({"a": {"type": "array", "items": {"type": "map"}}}, "schema at a[]: unknown type 'map'"),
    ({"a": {"type": "object"}}, "an object needs named fields"),
    ({"a": {"type": "object", "additionalProperties": {"type": "string"}}}, "an object needs named fields"),
    ({"a": {**object_of(b={"type": "null"}), "additionalProperties": True}}, "additionalProperties must be false"),
    ({"a": {**object_of(b={"type": "null"}), "required": ["c"]}}, "required has 'c'"),
    ({"a": {"type": "string", "enum": [1]}}, "the value 1 is not of type string"),
    ({"a": {"enum": []}}, "enum is []; expected a list of values"),
    ({"a": {"enum": ["x"], "maxLength": 1}}, "'maxLength' is not supported together with enum"),
    ({"a": {"oneOf": [{"type": "string"}]}}, "'oneOf' cannot be enforced everywhere. Write anyOf instead"),
    ({"a": {"type": "string", "nullable": True}}, '"type": ["string", "null"]'),
    ({"a": {"$ref": "#/$defs/X"}}, "refers to nothing"),
    ({"a": {"$ref": "https://example.com/x"}}, "refers to nothing"),
    ({"$ref": "#/$defs/X", "$defs": {"X": {"$ref": "#/$defs/X"}}}, "refers to itself"),
    ({"$ref": "#/$defs/X", "$defs": {"X": {"anyOf": [{"$ref": "#/$defs/X"}, {"type": "null"}]}}}, "refers to itself"),
    ({"$ref": "#/$defs/X", "$defs": {"X": object_of(x={"$ref": "#/$defs/X"})}}, "can never be complete"),
    ({"$ref": "#/$defs/X", "$defs": {"X": {"type": "array", "items": {"$ref": "#/$defs/X"}, "minItems": 1}}}, "can never be complete"),
    ({"type": "string", "$defs": {"X": {"type": "strin"}}}, "unknown type 'strin'"),
    ({"a": {"enum": ["\ud800"]}}, "half of a surrogate pair"),
    ({f"f{i}": "?" for i in range(257)}, "more than 256 fields"),
]  # fmt: skip


@pytest.mark.parametrize(
    "given, message", REFUSED, ids=[f"{message[:40]} {i}" for i, (_, message) in enumerate(REFUSED)]
)
def test_what_cannot_be_asked_is_said_with_what_to_type(given: Any, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(given)
    assert str(raised.value).startswith("ai_extract: schema")
    assert message in str(raised.value)


def test_depth_and_unfolding_have_a_limit() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(11):
        deep = {"type": "array", "items": deep}
    assert read(deep).sql_type == "VARCHAR" + "[]" * 11
    with pytest.raises(ConfigError, match="more than 12 levels deep"):
        read({"type": "array", "items": deep})
    for _ in range(5_000):
        deep = {"anyOf": [deep]}
    with pytest.raises(ConfigError, match="nested too deeply|12 levels|expand to more"):
        read(deep)
    doubling = {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(30)}
    with pytest.raises(ConfigError, match="expand to more than 4,096 parts"):
        read({"$ref": "#/$defs/d0", "$defs": {**doubling, "d30": {"type": "string"}}})


def test_a_schema_given_as_a_struct_of_duckdb_is_read() -> None:
    with duckdb.connect() as con:
        given = con.execute(
            "select {'type': 'object', 'properties': {'n': {'type': 'number', 'minimum': 0.5}, 'k': {'enum': ['a', 'b']}}, 'required': ['n']}"
        ).fetchone()
    assert given
    schema = read(given[0])
    assert json.loads(schema.text)["properties"]["n"] == {"type": "number", "minimum": 0.5}
    assert schema.sql_type == "STRUCT(n DOUBLE, k VARCHAR)"
