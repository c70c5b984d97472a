"""The result store: what is known stays known, for whoever asks the same, and nothing else is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inlay
from inlay.backends import fake
from inlay.backends.fake import FAIL, FakeBackend
from inlay.client.connection import Connection
from inlay.engine.executors import local
from inlay.engine.question import numbers_question
from inlay.errors import ConfigError
from inlay.functions.classify import EMBED_TEMPLATES
from inlay.functions.feelings import SENTENCES
from inlay.functions.sentiment import SENTIMENTS
from inlay.models.describe import describe
from inlay.settings.read import read_settings
from inlay.store import account as account_module
from inlay.store import decoded, open_parts, part_writer, parts
from inlay.store.account import Account
from inlay.store.folder import open_folder
from inlay.store.index import Index, halves
from inlay.store.inputs import distinct_inputs
from inlay.store.keys import input_keys, signature
from inlay.store.result_set import ResultSet
from inlay.store.results import MARKER_CONTENT, Store
from support.keys_in_sql import key_sql

TEXTS = [f"text {i}" for i in range(30)] + ["-", "æ😀", "a\0b"]

# Each function with a fake model that serves it, over the columns a and b.
FUNCTIONS = {
    "ai_embed": "(a)",
    "ai_similarity": "(a, b)",
    "ai_classify": "(a, ['bug', 'praise'])",
    "ai_classify_multi": "(a, ['bug', 'praise', 'noise'], threshold := 0.0)",
    "ai_filter": "(a, b, model := 'fake-nli')",
    "ai_score": "(a, b)",
    "ai_sentiment": "(a)",
    "ai_rerank": "(a, b, model := 'fake-rerank')",
    "ai_count_tokens": "(a)",
}

Opened = Callable[..., Connection]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def opened(folder: Path) -> Iterator[Opened]:
    """Opens a new session, which remembers nothing but what the store holds."""
    made: list[Connection] = []

    def connect(**options: Any) -> Connection:
        con = inlay.connect(**{"model": "fake", "store": folder, **options})
        made.append(con)
        return con

    yield connect
    for con in made:
        con.duckdb.close()


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """After it is called, whoever asks a fake model or its tokenizer anything fails."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("a model was asked for what is stored")

    def forbid() -> None:
        monkeypatch.setattr(FakeBackend, "run", refuse)
        monkeypatch.setattr(FakeBackend, "tokenize", refuse)

    return forbid


def ask(con: Connection, call: str, texts: Sequence[str | None] = TEXTS) -> list[Any]:
    """A call's answers for texts as column a, with b beside each."""
    table = pa.table(
        {"i": range(len(texts)), "a": pa.array(texts, pa.string()), "b": [f"b{i % 7}" for i, _ in enumerate(texts)]}
    )
    con.register("given", table)
    try:
        return [value for (value,) in con.execute(f"select {call} from given order by i").fetchall()]
    finally:
        con.unregister("given")


def parts_in(folder: Path, result_set: str = "*") -> list[Path]:
    return sorted(folder.glob(f"results/{result_set}/*.parquet"))


def stored_keys(folder: Path, result_set: str) -> list[bytes]:
    return [key for part in parts_in(folder, result_set) for key in pq.read_table(part)["key"].to_pylist()]


def result_sets(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("results/*/manifest.json")}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_python(script: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- keys

# DuckDB knows no lone surrogates; everything else is text to it, NUL included.
SQL_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.sampled_from(["", "\0", "a\0b", "ß", "👩‍👩‍👧", "\u202eabc", "é", "e\u0301"]),
    st.builds(
        lambda text, n: text * n,
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3),
        st.integers(5_000, 50_000),
    ),
)

STRINGS = pa.schema([("value", pa.string())])
NUMBERS = pa.schema([("value", pa.int64())])


@pytest.fixture(scope="module")
def plain() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(SQL_TEXT, min_size=1, max_size=3))
def test_sql_computes_the_key_that_python_computes(plain: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    found = plain.execute(f"select {key_sql([f'${i + 1}::varchar' for i in range(len(texts))])}", texts).fetchone()
    assert found == (input_keys([[text] for text in texts])[0],)


def test_the_key_is_what_its_contract_says() -> None:
    digest = hashlib.sha256
    assert input_keys([["ß"]]) == [digest("ß".encode()).digest()]
    both = digest(b"ab").hexdigest() + digest(b"c").hexdigest()
    assert input_keys([["ab"], ["c"]]) == [digest(both.encode()).digest()]
    assert input_keys([["a"], ["bc"]]) != input_keys([["ab"], ["c"]])


def test_sql_has_no_key_for_null(plain: duckdb.DuckDBPyConnection) -> None:
    assert plain.execute(
        f"select {key_sql(['null::varchar'])}, {key_sql(['null::varchar', repr('a')])}"
    ).fetchone() == (None, None)


# -- what is known is not asked again


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_second_session_answers_without_a_model(opened: Opened, no_model: Callable[[], None], function: str) -> None:
    said = FUNCTIONS[function]
    first = ask(opened(), f"try_{function}{said}")
    assert all(detail["error"] is None and not detail["cached"] for detail in first)
    no_model()
    second = opened()
    assert ask(second, f"try_{function}{said}") == [{**detail, "cached": True} for detail in first]
    third = opened()  # in the other order, and with the plain function first
    backwards = TEXTS[::-1]
    if "b" not in said.split(", [")[0]:
        assert ask(third, f"{function}{said}", backwards) == [detail["value"] for detail in first[::-1]]
    assert ask(third, f"{function}{said}") == [detail["value"] for detail in first]


def test_scores_and_confidence_come_from_the_store_too(opened: Opened, no_model: Callable[[], None]) -> None:
    ask(opened(), "ai_classify(a, ['bug', 'praise'])")
    no_model()
    detail = ask(opened(), "try_ai_classify(a, ['bug', 'praise'])", ["text 1"])[0]
    assert set(detail["scores"]) == {"bug", "praise"}
    assert detail["value"] == max(detail["scores"], key=detail["scores"].get)
    assert 0.5 <= detail["confidence"] <= 1


def test_only_what_is_new_is_inferred(opened: Opened, calls: dict[str, int]) -> None:
    ask(opened(), "ai_embed(a)", ["one", "two"])
    calls.clear()
    details = ask(opened(), "try_ai_embed(a)", ["two", "three", None, "one", "three"])
    assert calls["rows"] == 1
    assert [detail and detail["cached"] for detail in details] == [True, False, None, True, False]


FIRST_PROCESS = """
import sys, inlay
con = inlay.connect(store=sys.argv[1], progress="off")
print(con.execute(sys.argv[2]).fetchall())
if sys.argv[3] == "second":
    assert con.execute("select sum(inferred) from inlay_ledger()").fetchone() == (0,)
    print(sorted({"torch", "transformers", "tokenizers"} & set(sys.modules)))
"""


@pytest.mark.weights
def test_a_process_in_which_all_is_known_loads_no_model(tmp_path: Path) -> None:
    texts = "from (values ('my parcel is late'), ('lovely'), (null)) t(s)"
    sql = (
        f"select ai_embed(s), ai_classify(s, ['bug', 'praise']), try_ai_sentiment(s).value, ai_count_tokens(s) {texts}"
    )
    first = run_python(FIRST_PROCESS, tmp_path / "s", sql, "first")
    second = run_python(FIRST_PROCESS, tmp_path / "s", sql, "second")
    assert second == first + "[]\n"
    assert "praise" in first


@pytest.mark.parametrize("store_vectors", [True, False])
def test_edited_labels_cost_no_text_where_vectors_are_stored(
    opened: Opened, calls: dict[str, int], store_vectors: bool
) -> None:
    ask(opened(store_vectors=store_vectors), "ai_classify(a, ['bug', 'praise'])")
    calls.clear()
    ask(opened(store_vectors=store_vectors), "ai_classify(a, ['praise', 'bug'])")
    labels = 2 * len(EMBED_TEMPLATES)
    assert calls["rows"] == (0 if store_vectors else len(TEXTS) + labels)
    calls.clear()
    ask(opened(store_vectors=store_vectors), "ai_classify(a, ['bug', 'brand new'])")
    assert calls["rows"] == (len(EMBED_TEMPLATES) if store_vectors else len(TEXTS) + labels)
    calls.clear()
    ask(opened(store_vectors=store_vectors), "ai_sentiment(a)")
    anchors = len({sentence for name in SENTIMENTS[:3] for sentence in SENTENCES[name]})
    assert calls["rows"] == anchors + (0 if store_vectors else len(TEXTS))


@pytest.mark.parametrize("planned", [True, False], ids=["planned", "plain"])
def test_answers_of_numbers_that_are_not_stored_are_stored_as_they_come(
    opened: Opened, calls: dict[str, int], folder: Path, monkeypatch: pytest.MonkeyPatch, planned: bool
) -> None:
    texts = [f"text {i}" + (FAIL if i % 100 == 7 else "") for i in range(2_000)]
    call = "ai_classify(a, ['bug', 'praise'])"
    expected = ask(opened(store=None), call, texts)
    failed = [i for i, answer in enumerate(expected) if answer is None]
    assert failed == list(range(7, 2_000, 100))
    monkeypatch.setattr(local, "STORE_S", 0.0)  # so that as few as may be are answered at a time
    con = opened(store_vectors=False)
    assert ask(con if planned else con.duckdb, call, texts) == expected
    rows = [pq.read_metadata(path).num_rows for path in folder.glob("results/ai_classify-*/*.parquet")]
    assert sum(rows) == 2_000 - len(failed)
    assert len(rows) > 20
    assert max(rows) <= 256
    errors = con.execute("select count(*), count(distinct error) from inlay_errors()").fetchall()
    assert errors[0][0] == len(failed)
    calls.clear()
    ask(opened(store_vectors=False), call, texts)
    assert calls["rows"] <= 2 * len(EMBED_TEMPLATES) + 8 * len(failed)  # those are isolated once more


def test_ai_embed_is_stored_even_where_vectors_of_others_are_not(opened: Opened, calls: dict[str, int]) -> None:
    ask(opened(store_vectors=False), "ai_embed(a)")
    calls.clear()
    ask(opened(store_vectors=False), "ai_embed(a)")
    assert calls["rows"] == 0


# -- what is not stored


def test_a_failed_row_is_not_stored_and_is_tried_again(
    opened: Opened, folder: Path, calls: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = f"bad {FAIL}"
    assert ask(opened(), "ai_classify(a, ['x', 'y'])", ["good", bad])[1] is None
    for result_set in ("ai_classify-*", "vectors-*"):
        assert input_keys([[bad]])[0] not in stored_keys(folder, result_set)
        assert input_keys([["good"]])[0] in stored_keys(folder, result_set)
    calls.clear()
    assert ask(opened(), "ai_classify(a, ['x', 'y'])", ["good", bad])[1] is None
    assert calls["rows"] == 1
    monkeypatch.setattr(fake, "FAIL", "nothing fails any more")
    detail = ask(opened(), "try_ai_classify(a, ['x', 'y'])", ["good", bad])
    assert [row["cached"] for row in detail] == [True, False]
    assert detail[1]["value"] in ("x", "y")
    assert input_keys([[bad]])[0] in stored_keys(folder, "ai_classify-*")


@pytest.mark.parametrize("failing", [{0}, {1}, {3}, {0, 1}, {1, 2}, {0, 2, 3}, {0, 1, 2, 3}])
@pytest.mark.parametrize("call", ["try_ai_classify(a, ['x', 'y'])", "try_ai_sentiment(a)"])
def test_a_failed_row_leaves_the_scores_beside_it_alone(opened: Opened, failing: set[int], call: str) -> None:
    texts = [f"{i} {FAIL if i in failing else 'good'}" for i in range(4)]
    alone = [ask(opened(store_mode="off"), call, [text])[0] for text in texts]
    for known in (False, True):
        for i, (answer, expected) in enumerate(zip(ask(opened(), call, texts), alone, strict=True)):
            assert (answer["scores"] is None) == (answer["error"] is not None) == (i in failing)
            assert answer["cached"] == (known and i not in failing)
            # Cosines of one row and of four are the same but for the last bit of a float32.
            assert answer["scores"] == (None if i in failing else pytest.approx(expected["scores"], abs=1e-6))


def test_null_has_no_row_in_the_store(opened: Opened, folder: Path) -> None:
    con = opened()
    assert ask(con, "ai_count_tokens(a)", [None, "a", None, "b", "a"])[::2] == [None, None, 2]
    assert ask(con, "ai_embed(a)", [None, None]) == [None, None]
    assert con.execute("select ai_similarity(null, 'a'), ai_similarity('a', null)").fetchone() == (None, None)
    assert sorted(stored_keys(folder, "*")) == sorted(input_keys([["a", "b"]]))


def test_no_secret_and_no_input_is_in_the_stores_bytes(
    opened: Opened, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ["canary-of-env", "hf_canaryOfToken", "hf_canaryOfFile"]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets[0])
    monkeypatch.setenv("HF_TOKEN", secrets[1])
    (tmp_path / "token").write_text(secrets[2])
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    con = opened()
    for function, said in FUNCTIONS.items():
        ask(con, f"try_{function}{said}", ["canary of an input", "another canary of an input"])
        con.execute(f"select {function}{said} from (values ('canary in SQL', 'canary beside it')) v(a, b)").fetchall()
    con.duckdb.close()
    found = contents(folder)
    assert len(found) > 2 * len(FUNCTIONS)
    for name, content in found.items():
        # What is compressed in a part shows only when it is read.
        read = content + (repr(pq.read_table(folder / name).to_pylist()).encode() if name.endswith(".parquet") else b"")
        assert b"canary" not in read, name
        assert b"PAR1" in read or json.loads(content)


# -- modes and settings


def test_mode_off_makes_no_folder(opened: Opened, folder: Path, calls: dict[str, int]) -> None:
    for _ in range(2):
        ask(opened(store_mode="off"), "ai_embed(a)")
    assert calls["rows"] == 2 * len(TEXTS)
    assert not folder.exists()


def test_read_only_reads_and_writes_nothing(opened: Opened, folder: Path, calls: dict[str, int]) -> None:
    first = ask(opened(), "ai_classify(a, ['x', 'y'])", TEXTS[:10])
    before = contents(folder)
    calls.clear()
    for _ in range(2):
        con = opened(store_mode="read-only")
        assert ask(con, "ai_classify(a, ['x', 'y'])", TEXTS)[:10] == first
        assert ask(con, "ai_classify(a, ['x', 'y'])", [*TEXTS, FAIL])[:10] == first
    assert calls["rows"] == 2 * (len(TEXTS) - 10 + 1)
    assert contents(folder) == before


def test_read_only_does_not_mind_a_missing_folder(opened: Opened, folder: Path) -> None:
    assert len(ask(opened(store_mode="read-only"), "ai_embed(a)", ["x"])[0]) == 8
    assert not folder.exists()


def test_a_session_sees_what_another_stored_after_it_began(opened: Opened, calls: dict[str, int]) -> None:
    early, late = opened(), opened()
    ask(early, "ai_embed(a)", ["x"])
    ask(late, "ai_embed(a)", ["y"])
    calls.clear()
    ask(early, "ai_embed(a)", ["y"])
    assert calls["rows"] == 0


def test_the_store_may_be_named_in_every_place(tmp_path: Path) -> None:
    (tmp_path / "inlay.toml").write_text('store = "kept/here"\nstore_mode = "read-only"\nstore_vectors = false\n')
    below = tmp_path / "sub"
    below.mkdir()
    from_file = read_settings(environment={}, folder=below)
    # A relative path is meant from the file that says it, not from the working folder.
    assert (from_file.store, from_file.store_mode) == (str(tmp_path / "kept" / "here"), "read-only")
    assert from_file.store_vectors is False
    from_environment = read_settings(environment={"INLAY_STORE": "/elsewhere", "INLAY_STORE_MODE": "off"}, folder=below)
    assert (from_environment.store, from_environment.store_mode) == ("/elsewhere", "off")
    relative = read_settings(environment={"INLAY_STORE": "rel"}, folder=below)
    assert relative.store == str(Path.cwd() / "rel")
    given = read_settings({"store": tmp_path / "given"}, environment={"INLAY_STORE": "/elsewhere"}, folder=below)
    assert given.store == str(tmp_path / "given")
    assert read_settings({"store": "s3://bucket/inlay"}, environment={}).store == "s3://bucket/inlay"


def test_the_dbt_plugin_takes_the_stores_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inlay.dbt.plugin import Plugin

    monkeypatch.chdir(tmp_path)
    config = {"model": "fake", "store": "s", "store_mode": "read-only", "store_vectors": False, "store_inputs": True}
    plugin = Plugin("inlay", config)
    assert {key: plugin.options[key] for key in config} == config
    with duckdb.connect() as con:
        plugin.configure_connection(con)
        assert plugin.session is not None
        assert plugin.session.settings.store == str(tmp_path / "s")
        assert plugin.session.settings.store_inputs
    with pytest.raises(ConfigError, match="no option named 'store_vector'.*'store_vectors'"):
        Plugin("inlay", {"store_vector": True})


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"store_mode": "write"}, "store_mode is 'write'; it must be one of read-write, read-only, off"),
        ({"store": 7}, "store is 7; it must be a folder or an address"),
        ({"store_vectors": "yes"}, "store_vectors is 'yes'; it must be true or false"),
        ({"store_inputs": 1}, "store_inputs is 1; it must be true or false"),
    ],
)
def test_a_wrong_store_setting_is_told(given_settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_settings(given_settings, environment={})


# -- which answers are the same


LABELS = "['x', 'y']"


def fake_model(**settings_of_it: Any) -> dict[str, Any]:
    return {"models": {"fake": {"source": "fake:embed", "backend": "fake", **settings_of_it}}}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(({}, f"ai_classify(a, {LABELS})"), (fake_model(max_tokens=77), f"ai_classify(a, {LABELS})"), id="model"),
        pytest.param(({}, "ai_embed(a)"), (fake_model(max_tokens=77), "ai_embed(a)"), id="model of vectors"),
        pytest.param(({}, "ai_embed(a)"), (fake_model(too_long="error"), "ai_embed(a)"), id="too_long"),
        pytest.param(({}, f"ai_classify(a, {LABELS})"), (fake_model(too_long="error"), f"ai_classify(a, {LABELS})"), id="too_long of answers"),
        pytest.param(({}, "ai_embed(a)"), (fake_model(prompts={"document": "p: "}), "ai_embed(a)"), id="prompts"),
        pytest.param(({}, f"ai_classify(a, {LABELS})"), (fake_model(prompts={"query": "q: "}), f"ai_classify(a, {LABELS})"), id="prompts of labels"),
        pytest.param(({}, f"ai_classify(a, {LABELS})"), ({}, f"ai_classify(a, {LABELS}, template := 'on {{label}}')"), id="template"),
        pytest.param(({}, f"ai_classify(a, {LABELS})"), (fake_model(template="on {label}"), f"ai_classify(a, {LABELS})"), id="template of the model"),
        pytest.param(({}, f"ai_classify(a, {LABELS})"), ({}, "ai_classify(a, ['x', 'z'])"), id="labels"),
        pytest.param(({}, f"ai_classify(a, {LABELS})"), ({}, "ai_classify(a, [{'label': 'x', 'description': 'ex'}, {'label': 'y', 'description': null}])"), id="descriptions"),
        pytest.param(({}, f"ai_classify_multi(a, {LABELS}, threshold := 0.1)"), ({}, f"ai_classify_multi(a, {LABELS}, threshold := 0.2)"), id="threshold"),
        pytest.param(({}, "ai_filter(a, b, threshold := 0.1)"), ({}, "ai_filter(a, b, threshold := 0.2)"), id="threshold of a filter"),
    ],
)  # fmt: skip
def test_what_can_change_an_answer_has_a_result_set_of_its_own(
    opened: Opened, folder: Path, first: tuple[dict[str, Any], str], second: tuple[dict[str, Any], str]
) -> None:
    def result_set_of(options: dict[str, Any], call: str) -> set[str]:
        function = "vectors" if "embed" in call else call.partition("(")[0]
        before = result_sets(folder)
        ask(opened(**options), call, ["a text"])
        return {name for name in result_sets(folder) - before if name.startswith(function)}

    assert len(result_set_of(*first)) == 1
    assert not result_set_of(*first)
    assert len(result_set_of(*second)) == 1


def test_what_cannot_change_an_answer_shares_a_result_set(
    opened: Opened, folder: Path, no_model: Callable[[], None]
) -> None:
    call = f"try_ai_classify(a, {LABELS})"
    first = ask(opened(), call)
    before = result_sets(folder)
    no_model()
    models = {"other": {"source": "fake:embed", "backend": "fake", "cost_per_million_tokens": 3.0}}
    again = ask(opened(models=models, model="other", memory_mb=1, on_error="raise", device="cpu"), call)
    assert again == [{**detail, "model": "other", "cached": True} for detail in first]
    assert ask(opened(), f"try_ai_classify(a, {LABELS}, on_error := 'raise')") == [
        {**detail, "cached": True} for detail in first
    ]
    assert result_sets(folder) == before


def test_the_precision_asked_for_is_part_of_the_signature() -> None:
    ref = describe(read_settings({}, environment={}).models["fake"])
    asked = [dataclasses.replace(ref, dtype=dtype) for dtype in ("auto", "float32", "bfloat16", "float16", "int8")]
    assert len({numbers_question(each, pair=False).signature for each in asked}) == 5
    assert numbers_question(dataclasses.replace(ref, name="x", source="y"), pair=False).signature == (
        numbers_question(ref, pair=False).signature
    )
    assert numbers_question(ref, pair=False).signature != numbers_question(ref, pair=True).signature


@pytest.mark.weights
def test_dtype_gives_a_real_model_another_result_set(opened: Opened, folder: Path) -> None:
    for dtype in ("auto", "float32", "auto"):
        opened(model="minilm", dtype=dtype, device="cpu").execute("select ai_embed('a text')").fetchall()
    assert len(result_sets(folder)) == 2


def test_a_manifest_tells_people_and_derives_its_signature(opened: Opened, folder: Path) -> None:
    con = opened()
    for function, said in FUNCTIONS.items():
        ask(con, f"{function}{said}", ["a text"])
    found = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("results/*/manifest.json")}
    # ai_embed has no result set beside the vectors; the logits are the cross-encoder's and the NLI model's.
    assert {name.rpartition("-")[0] for name in found} == {*FUNCTIONS, "vectors", "logits"} - {"ai_embed"}
    for name, manifest in found.items():
        assert manifest["signature"] == signature(manifest["question"])
        assert name.rpartition("-")[2] == manifest["signature"][:32]
        assert manifest["model"]["source"].startswith("fake:")
        for part in parts_in(folder, name):
            assert pq.read_table(part).column_names == ["key", *manifest["columns"]]
    labelled = next(manifest for name, manifest in found.items() if name.startswith("ai_classify-"))
    assert labelled["question"]["labels"] == [["bug", None], ["praise", None]]


# -- the folder


def test_a_folder_with_other_files_is_refused_and_untouched(opened: Opened, folder: Path) -> None:
    (folder / "photos").mkdir(parents=True)
    (folder / "letter.txt").write_text("dear all")
    before = contents(folder)
    with pytest.raises(ConfigError, match="is a folder with other files in it, such as letter.txt, and no inlay-store"):
        opened()
    assert contents(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == ["letter.txt", "photos"]


def test_a_file_is_no_store(opened: Opened, folder: Path) -> None:
    folder.write_text("dear all")
    with pytest.raises(ConfigError, match="cannot be opened for read and write.*Name a folder that you may write to"):
        opened()
    assert folder.read_text() == "dear all"


@pytest.mark.parametrize("marker", ['{"form": "store/9"}', "{}", "[]", '"store/1"', "no json"])
@pytest.mark.parametrize("mode", ["read-write", "read-only"])
def test_a_store_of_another_form_is_refused(opened: Opened, folder: Path, marker: str, mode: str) -> None:
    folder.mkdir()
    (folder / "inlay-store.json").write_text(marker)
    with pytest.raises(ConfigError, match=f"store {folder} (is in format version|has a damaged inlay-store.json)"):
        opened(store_mode=mode)
    assert contents(folder) == {"inlay-store.json": marker.encode()}


@pytest.mark.parametrize("lost", ["empty", "cut", "zeros", "gone"])
def test_a_marker_that_was_lost_is_written_again(
    opened: Opened, folder: Path, no_model: Callable[[], None], lost: str
) -> None:
    answers = ask(opened(), "ai_classify(a, ['bug', 'praise'])")
    marker = folder / "inlay-store.json"
    whole = marker.read_bytes()
    marker.unlink()
    if lost != "gone":
        marker.write_bytes({"empty": b"", "cut": whole[:7], "zeros": bytes(len(whole))}[lost])
    no_model()
    assert ask(opened(store_mode="read-only"), "ai_classify(a, ['bug', 'praise'])") == answers
    assert not marker.exists() or marker.read_bytes() != whole
    assert ask(opened(), "ai_classify(a, ['bug', 'praise'])") == answers
    assert marker.read_bytes() == whole


@pytest.mark.parametrize("name", [".tmp-0123", ".DS_Store", "lost+found/", ".snapshot/", "inlay-store.json"])
def test_what_a_file_system_puts_into_a_folder_is_no_other_file(opened: Opened, folder: Path, name: str) -> None:
    folder.mkdir()
    (folder / name).mkdir() if name.endswith("/") else (folder / name).write_bytes(b"")
    assert len(ask(opened(), "ai_classify(a, ['bug', 'praise'])")) == len(TEXTS)
    assert parts_in(folder)


def test_results_of_something_else_are_other_files(opened: Opened, folder: Path) -> None:
    (folder / "results").mkdir(parents=True)
    (folder / "results" / "2026.csv").write_text("a,b")
    with pytest.raises(
        ConfigError, match="is a folder with other files in it, such as results, and no inlay-store.json"
    ):
        opened()


def test_a_new_store_opens_for_all_who_open_it_at_once(tmp_path: Path) -> None:
    for round_ in range(50):
        folder = tmp_path / str(round_)
        begin = threading.Barrier(8)

        def open_and_use(number: int, folder: Path = folder, begin: threading.Barrier = begin) -> None:
            begin.wait()
            store = Store(str(folder))
            store.folder.publish(f"calls/{number}.json", b"{}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(open_and_use, range(8)))
        assert (folder / "inlay-store.json").read_bytes() == MARKER_CONTENT


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_failed_inputs_are_for_their_owner_alone(opened: Opened, folder: Path) -> None:
    before = os.umask(0o022)
    try:
        ask(opened(), "ai_classify(a, ['bug', 'praise'])", [f"mine {FAIL}", "good"])
    finally:
        os.umask(before)
    rights = {path.relative_to(folder).parts[0]: path.stat().st_mode & 0o777 for path in folder.rglob("*.parquet")}
    assert rights["errors"] == 0o600
    assert rights["results"] == rights["ledger"] == 0o644


def test_the_message_for_another_form_says_both_and_what_to_do(opened: Opened, folder: Path) -> None:
    folder.mkdir()
    (folder / "inlay-store.json").write_text('{"form": "store/9"}')
    message = "is in format version 'store/9'; this version of inlay reads 'store/1'. Use the version that wrote it, or another store."
    with pytest.raises(ConfigError, match=message):
        opened()


# -- index and result set against a dictionary


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    # More than 100,000 rows make a run that is scanned before it is sorted; more than 8 runs are joined.
    sizes=st.lists(st.sampled_from([0, 1, 3, 50, 2_000, 100_001, 130_000]), min_size=1, max_size=11),
    alike=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_the_index_finds_what_a_dictionary_finds(seed: int, sizes: list[int], alike: float) -> None:
    rng = np.random.default_rng(seed)
    index, truth = Index(), dict[bytes, set[int]]()
    keys: Any = np.zeros((0, 32), dtype=np.uint8)
    row = 0
    for size in sizes:
        made = rng.integers(0, 256, (size, 32), dtype=np.uint8)
        made[rng.random(size) < alike, :2] = 7  # the scan tells rows apart by their first two bytes
        again = rng.random(size) < 0.1
        if len(keys):
            made[again] = keys[rng.integers(0, len(keys), int(again.sum()))]
        rows = np.arange(row, row + size, dtype=np.int64)
        middle = size // 2
        index.add([(*halves(made[:middle]), row), (*halves(made[middle:]), row + middle)])
        keys = np.concatenate([keys, made])
        for half, number in zip(made.view("V16")[:, 0].tolist(), rows.tolist(), strict=True):
            truth.setdefault(half, set()).add(number)
        row += size
        for _ in range(3):  # often enough for a run to be sorted in the end
            known = keys[rng.integers(0, len(keys), 40)] if len(keys) else keys
            unknown = rng.integers(0, 256, (20, 32), dtype=np.uint8)
            unknown[::2, :2] = 7
            wanted = np.concatenate([known, unknown, known[:5]])
            rng.shuffle(wanted)
            found = index.find([key.tobytes() for key in wanted])
            for half, number in zip(wanted.view("V16")[:, 0].tolist(), found.tolist(), strict=True):
                assert number in truth.get(half, {-1})
    assert len(index) == row
    assert index.find([]).tolist() == []


@given(st.lists(st.tuples(st.sampled_from(["", "a", "ab", "é", "\0", "b"]), st.sampled_from(["", "x", "xx"]))))
@settings(deadline=None)
def test_inputs_are_made_distinct_in_the_order_in_which_they_come(rows: list[tuple[str, str]]) -> None:
    for columns in ([[a for a, _ in rows]], [[a for a, _ in rows], [b for _, b in rows]]):
        given_rows = list(zip(*columns, strict=True))
        found = distinct_inputs([pa.array(column, pa.string()) for column in columns])
        distinct = [found.row(i) for i in range(len(found))]
        assert distinct == list(dict.fromkeys(given_rows))
        assert [key.tobytes() for key in found.keys] == input_keys(zip(*distinct, strict=True) if distinct else [[]])
        places = range(len(distinct)) if found.inverse is None else found.inverse.to_pylist()
        assert [distinct[place] for place in places] == given_rows


def test_a_repeat_that_a_sample_does_not_show_is_found() -> None:
    texts = [f"text {i}" for i in range(5_000)]
    found = distinct_inputs([pa.array([*texts, "text 0"])])
    assert (len(found), found.inverse is None) == (5_000, False)
    found = distinct_inputs([pa.array([None, *texts])[1:]])
    assert (len(found), found.inverse) == (5_000, None)


def test_a_big_index_finds_every_row() -> None:
    rng = np.random.default_rng(5)
    keys = rng.integers(0, 256, (150_000, 32), dtype=np.uint8)
    index = Index()
    index.add([(*halves(keys), 0)])
    order = rng.permutation(len(keys))
    wanted = [key.tobytes() for key in keys[order]]
    for _ in range(6):  # by scanning, and once sorted
        assert (index.find(wanted) == order).all()


def make_result_set(folder: Path) -> ResultSet:
    return ResultSet(open_folder(str(folder)), "s" * 64, {}, {}, writable=True)


@pytest.mark.parametrize(("glance_rows", "cache_bytes"), [(1_000_000, 2_000), (0, 20_000), (1_000_000, 20_000_000)])
@pytest.mark.parametrize("seed", range(4))
def test_a_result_set_finds_what_a_dictionary_finds(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int, glance_rows: int, cache_bytes: int
) -> None:
    monkeypatch.setattr(open_parts, "_GLANCE_ROWS", glance_rows)
    monkeypatch.setattr(part_writer, "_GROUP_ROWS", 7)  # many row groups in a part
    monkeypatch.setattr(decoded, "_CACHE_BYTES", cache_bytes)  # and few of them kept, or all
    rng = np.random.default_rng(seed)
    writer = make_result_set(folder)
    truth: dict[bytes, int] = {}
    for number in range(25):
        size = int(rng.integers(1, 60))
        texts = [f"text {i}" for i in rng.choice(900, size, replace=False)]
        keys = input_keys([texts])
        # Parts share rows, as several processes make them, and mean the same by them.
        values = [int.from_bytes(key[:4], "little") for key in keys]
        writer.publish(keys, pa.table({"value": pa.array(values, pa.int64())}), known_here=bool(number % 2))
        truth.update(zip(keys, values, strict=True))
    unknown = input_keys([[f"unknown {i}" for i in range(50)]])
    readers = [make_result_set(folder) for _ in range(2)]
    for reader in (*readers, writer):
        reader.refresh()
        for _ in range(5):
            asked = [*truth, *unknown, *list(truth)[:9]]
            rng.shuffle(asked)
            asked = asked[: int(rng.integers(1, len(asked)))]
            positions, table = reader.find(asked, NUMBERS)
            assert len(set(positions.tolist())) == len(positions)
            found = dict(zip(positions.tolist(), [] if table is None else table["value"].to_pylist(), strict=True))
            assert found == {i: truth[key] for i, key in enumerate(asked) if key in truth}
    assert reader.find([], NUMBERS)[1] is None
    assert reader.find(unknown, NUMBERS)[1] is None


def test_a_large_result_set_is_looked_through_once_before_its_keys_are_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"text {i}" for i in range(1_000)]
    keys = input_keys([texts])
    writer = make_result_set(folder)
    for start in range(0, 1_000, 100):
        writer.publish(keys[start : start + 100], pa.table({"value": texts[start : start + 100]}))
    monkeypatch.setattr(open_parts, "_GLANCE_ROWS", 999)
    reader = make_result_set(folder)
    reader.refresh()
    for kept in (0, 1_000):
        positions, table = reader.find([*keys[5:700:50], b"?" * 32, keys[5]], STRINGS)
        assert table is not None
        found = dict(zip(positions.tolist(), table["value"].to_pylist(), strict=True))
        assert [found.get(i) for i in range(16)] == [*texts[5:700:50], None, texts[5]]
        assert (len(reader._open._index), len(reader)) == (kept, 1_000)
    # What comes to it in small pieces is kept at once.
    writer.publish(input_keys([["one more"]]), pa.table({"value": ["one more"]}))
    reader.refresh()
    assert len(reader._open._index) == 1_001


def test_keys_are_read_from_files_that_lay_them_out_in_another_way(folder: Path) -> None:
    """They are read past Parquet's reader where they lie as they should, which their checksum tells."""
    texts = [f"text {i}" for i in range(5_000)]
    writer = make_result_set(folder)
    with pytest.MonkeyPatch.context() as patched:
        said = part_writer._format
        # Several pages in one row group.
        patched.setattr(part_writer, "_format", lambda schema: {**said(schema), "data_page_size": 1_000})
        writer.publish(input_keys([texts]), pa.table({"value": texts}), known_here=False)
    reader = make_result_set(folder)
    reader.refresh()
    positions, table = reader.find(input_keys([texts[::7]]), STRINGS)
    assert table is not None and not reader.damaged
    assert [texts[::7][i] for i in positions] == table["value"].to_pylist()


def test_reading_many_parts_keeps_no_file_open(folder: Path) -> None:
    writer = make_result_set(folder)
    for i in range(20):
        writer.publish(input_keys([[f"text {i}"]]), pa.table({"value": [i]}), known_here=False)
    before = len(list(Path("/proc/self/fd").iterdir()))
    reader = make_result_set(folder)
    reader.refresh()
    assert len(reader.find(input_keys([[f"text {i}" for i in range(20)]]), NUMBERS)[0]) == 20
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_keys_that_begin_alike_are_told_apart(folder: Path) -> None:
    result_set = make_result_set(folder)
    one, other, third = (b"same 8 b" + digit * 24 for digit in (b"1", b"2", b"3"))
    result_set.publish([one], pa.table({"value": ["one"]}))
    assert result_set.find([other], STRINGS)[1] is None
    result_set.publish([other], pa.table({"value": ["other"]}))
    for reader in (result_set, make_result_set(folder)):
        reader.refresh()
        # Of keys with the same first 8 bytes one may hide another, which is then inferred again; none stands for it.
        for asked in ([one], [other], [third], [third, one, other], [other, one]):
            positions, table = reader.find(asked, STRINGS)
            found = [] if table is None else table["value"].to_pylist()
            for position, value in zip(positions.tolist(), found, strict=True):
                assert {"one": one, "other": other}[value] == asked[position]
        assert any(reader.find([key], STRINGS)[1] is not None for key in (one, other))


def test_parts_are_named_by_their_bytes_and_appear_whole(opened: Opened, folder: Path) -> None:
    ask(opened(), f"ai_classify(a, {LABELS})")
    assert len(parts_in(folder)) >= 2
    for part in parts_in(folder):
        assert part.name == parts.part_name(part.read_bytes())
    assert not list(folder.rglob(".tmp-*"))


def test_the_ledger_is_not_written_at_every_chunk(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    publish = Account._publish

    def counted(account: Account, name: str, table: pa.Table) -> None:
        written.append(name)
        publish(account, name, table)

    con = opened()
    monkeypatch.setattr(Account, "_publish", counted)
    monkeypatch.setattr(account_module, "WRITE_EVERY_S", 3_600.0)
    con.duckdb.execute("create table many as select ai_count_tokens('text ' || i % 10) n from range(20_000) r(i)")
    assert len(written) == 1
    con._session.close_account()
    assert len(written) == 2
