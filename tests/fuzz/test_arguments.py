"""Functions called with anything: an answer for each row or an error of ours (or DuckDB's about types), whatever the
arguments. `make fuzz` runs 10,000 calls, the test suite 300; FUZZ_RUNS and FUZZ_SEED choose others."""

from __future__ import annotations

import faulthandler
import os
import random
import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

import inlay
from inlay.client.connection import Connection
from inlay.errors import InlayError
from inlay.functions.definitions import all_definitions
from inlay.functions.spec import Argument, FunctionSpec

RUNS = int(os.environ.get("FUZZ_RUNS", "300"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
ROWS = 3
AT_A_TIME = 50

SPECS = [spec for spec in all_definitions().values() if not spec.is_table]
MODELS = ("fake", "fake-nli", "fake-rerank", "fake-generate", "rules", "nowhere", "")

VALUES = (
    "NULL", "''", "' '", "'text'", "'it''s {text} %s \\ \"'", "'🙂' || chr(0) || 'é'", "repeat('long ', 3000)", "i", "s",
    "1", "-1", "0", "1.5", "1e308", "'NaN'::DOUBLE", "'inf'::DOUBLE", "170141183460469231731687303715884105727", "true",
    "date '2026-01-01'", "timestamp '2026-01-01 00:00:00'", "timestamptz '2026-01-01 00:00:00+00'", "interval 1 day",
    "time '10:00:00'", "uuid '4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'", "'\\xAA'::BLOB", "'{\"a\": 1}'::JSON",
    "'a'::ENUM('a', 'b')", "'101'::BIT", "12.50::DECIMAL(5, 2)", "t", "{'a': i, 'b': s}", "[1, 2]", "['a', 'b']", "[]",
    "['a', 'a']", "[NULL]", "['']", "['a', NULL]", "[['a']]", "map {'a': 1}", "map {}", "{'label': 'a'}",
    "[{'label': 'a', 'description': 'b'}]", "[{'label': 'a', 'other': 'b'}]", "{'name': 'Who?'}", "['name', 'age INTEGER']",
    "'{\"type\": \"object\"}'", "'{'", "['email', 'name']", "['nonsense']", "'null'", "'raise'", "'skip'", "'answer'",
    "2147483648", "(select max(i) from t)", "case when i = 1 then 'a' end", "random()::VARCHAR",
)  # fmt: skip


def likely(random_: random.Random, argument: Argument) -> str:
    """More often than not a value of the argument's own kind, so that calls come far."""
    if argument.name == "model" and random_.random() < 0.8:
        return f"'{random_.choice(MODELS)}'"
    if argument.name in ("labels", "aspects", "categories") and random_.random() < 0.6:
        return random_.choice(["['a', 'b']", "['a']", "[{'label': 'a', 'description': 'b'}, {'label': 'c'}]"])
    if argument.name in ("text", "prompt", "texts", "predicate") and random_.random() < 0.5:
        return random_.choice(["s", "s || i", "'text'", "NULL", "' '"])
    return random_.choice(VALUES)


def a_call(random_: random.Random, spec: FunctionSpec) -> str:
    values = [likely(random_, argument) for argument in spec.args]
    if random_.random() < 0.05:
        values = values[:-1] if random_.random() < 0.5 else [*values, random_.choice(VALUES)]
    some = random_.sample(spec.options, random_.randint(0, min(3, len(spec.options))))
    options = [f"{option.name} := {likely(random_, option)}" for option in some]
    if random_.random() < 0.03:
        options.append("nonsense := 1")
    name = spec.name if random_.random() < 0.7 or spec.kind == "aggregate" else spec.try_name
    return f"{name}({', '.join([*values, *options])})"


def our_errors(kind: type[InlayError] = InlayError) -> Iterator[str]:
    yield kind.__name__
    for each in kind.__subclasses__():
        yield from our_errors(each)


OURS = set(our_errors())
OF_A_FUNCTION = re.compile(r"Python exception occurred while executing the UDF: (\w+)")


def outcome(con: Any, call: str, spec: FunctionSpec) -> str:
    """'' for what is allowed, else what it was."""
    try:
        rows = con.execute(f"select {call} from t").fetchall()
    except InlayError:
        return ""
    except duckdb.Error as error:
        raised = OF_A_FUNCTION.search(str(error))
        if raised is not None:
            return "" if raised[1] in OURS else f"untyped {raised[1]}: {error}"
        internal = isinstance(error, duckdb.InternalException) or "INTERNAL" in str(error)
        return f"internal: {str(error)[:300]}" if internal else ""
    except Exception as error:
        return f"untyped {type(error).__name__}: {error}"
    n_expected = 1 if spec.kind == "aggregate" else ROWS
    return "" if len(rows) == n_expected else f"{len(rows)} rows for {n_expected}"


@pytest.fixture
def both() -> Iterator[Connection]:
    models = {"fake-generate": {"max_output_tokens": 60}}
    with inlay.connect(model="fake", language_model="fake-generate", models=models) as con:
        con.execute(f"create table t as select i::INTEGER as i, 'text ' || i as s from range({ROWS}) r(i)")
        faulthandler.dump_traceback_later(600, exit=True)  # a call that hangs ends the run, and says where
        yield con
        faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize("start", range(0, RUNS, AT_A_TIME))
def test_every_call_is_answered_or_refused_as_what_it_is(both: Connection, start: int) -> None:
    found = []
    for number in range(start, min(start + AT_A_TIME, RUNS)):
        random_ = random.Random(SEED * 1_000_003 + number)
        spec = random_.choice(SPECS)
        call = a_call(random_, spec)
        for name, con in (("planned", both), ("plain", both.duckdb)):
            if reason := outcome(con, call, spec):
                found.append(f"{number} {name} select {call} from t: {reason}")
    assert not found, "\n".join(found)
