"""Texts of nothing but white space: no model is asked about them, and nobody invents an answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import inlay
from inlay.client.connection import Connection
from inlay.errors import ConfigError
from inlay.functions.blanks import blank_rows, blank_texts
from inlay.functions.definitions import all_definitions

BLANKS = ("", " ", "\n\t ", "\u3000\xa0")

# What a blank in s gives: NULL, and with on_blank := 'answer' something else.
TO_NULL = {
    "ai_embed(s {})": "fake",
    "ai_similarity(s, 'b' {})": "fake",
    "ai_similarity('b', s {})": "fake",
    "ai_classify(s, ['bug', 'praise'] {})": "fake",
    "ai_classify_multi(s, ['bug', 'praise'], threshold := -1 {})": "fake",
    "ai_filter(s, 'angry', threshold := 0 {})": "fake",
    "ai_score(s, 'angry' {})": "fake",
    "ai_sentiment(s {})": "fake",
    "ai_classify(s {})": "fake-classify",
    "ai_filter(s, 'angry' {})": "fake-nli",
    "ai_rerank('a', s {})": "fake-rerank",
    "ai_classify(s, ['bug', 'happy'] {})": "fake-generate",
    "ai_sentiment_by_aspect(s, ['price'] {})": "fake-generate",
    "ai_extract(s, ['name'] {})": "fake-generate",
    "ai_extract_json(s, ['name'] {})": "fake-generate",
    "ai_detect_pii(s {})": "rules",
}
TO_ITSELF = ("ai_fix_grammar(s {})", "ai_translate(s, 'German' {})", "ai_summarize(s {})", "ai_redact(s {})")
ASKED = {"ai_complete(s)": "fake-generate", "ai_count_tokens(s)": "fake"}


@pytest.fixture
def con() -> Any:
    with inlay.connect(model="fake") as con:
        con.register("t", pa.table({"i": [*range(7)], "s": ["text", *BLANKS, None, "text"]}))
        yield con


def both_ways(con: Connection, sql: str) -> list[Any]:
    """The column, planned and as DuckDB calls the functions by itself."""
    planned = [row[-1] for row in con.execute(sql).fetchall()]
    assert [row[-1] for row in con.duckdb.execute(sql).fetchall()] == planned
    return planned


def with_model(call: str, model: str, *options: str) -> str:
    named = [] if "model :=" in call or model == "rules" else [f"model := '{model}'"]
    return call.format("".join(f", {option}" for option in [*named, *options]))


@pytest.mark.parametrize(("call", "model"), TO_NULL.items())
def test_a_blank_gives_null(con: Connection, call: str, model: str) -> None:
    found = both_ways(con, f"select i, {with_model(call, model)} from t order by i")
    assert found[1:6] == [None] * 5
    assert found[0] == found[6]
    assert found[0] is not None
    answered = both_ways(con, f"""select i, {with_model(call, model, "on_blank := 'answer'")} from t order by i""")
    assert None not in answered[1:5]
    assert (answered[0], answered[5]) == (found[0], None)
    assert con.execute("select * from inlay_errors()").fetchall() == []
    blank = con.execute("select sum(blank) from inlay_ledger()").fetchone()
    assert blank == (8,)  # four, planned and plainly


@pytest.mark.parametrize("call", TO_ITSELF)
def test_where_a_text_is_made_of_a_text_a_blank_is_returned(con: Connection, call: str, calls: dict[str, int]) -> None:
    model = "rules" if "redact" in call else "fake-generate"
    found = both_ways(con, f"select i, {with_model(call, model)} from t order by i")
    assert found[1:6] == [*BLANKS, None]
    assert calls["rows"] == (0 if model == "rules" else 1)
    detail = con.execute(f"select try_{with_model(call, model)} as d from t order by i").fetchall()
    assert detail[3][0]["value"] == BLANKS[2]
    assert (detail[3][0]["error"], detail[3][0]["model"], detail[3][0]["cached"]) == (None, model, True)
    assert detail[5][0] is None
    asked = both_ways(con, f"""select i, {with_model(call, model, "on_blank := 'answer'")} from t order by i""")
    assert model == "rules" or not set(asked[1:5]) & set(BLANKS)


@pytest.mark.parametrize(("call", "model"), ASKED.items())
def test_a_blank_prompt_is_asked(con: Connection, call: str, model: str) -> None:
    found = both_ways(con, f"select i, {call.replace(')', f', model := {model!r})')} from t order by i")
    assert None not in found[1:5]


@pytest.mark.parametrize("call", ["ai_agg(s, 'Which?' {})", "ai_summarize_agg(s {})"])
def test_a_group_of_blanks_gives_null(con: Connection, call: str, calls: dict[str, int]) -> None:
    call = with_model(call, "fake-generate")
    sql = f"select i > 0 as b, {call} from t where i in (0, 1, 2, 3, 5) group by all order by b"
    found = both_ways(con, sql)
    assert found[1] is None
    assert found[0] is not None
    assert calls["rows"] == 1
    # The group is the input that it always was, blanks included.
    mixed = both_ways(con, f"select 1, {call} from t where i < 3")
    assert mixed[0] is not None
    assert calls["rows"] == 2


def test_blanks_stop_nothing_and_details_are_null(con: Connection) -> None:
    raising = "ai_classify(s, ['a', 'b'], on_error := 'raise')"
    assert both_ways(con, f"select i, {raising} from t where i between 1 and 4") == [None] * 4
    assert both_ways(con, f"select i, try_{raising} from t where i = 1") == [None]
    where = con.execute(f"select count(*) from t where {raising} is null and s is not null").fetchone()
    assert where == (4,)


def test_blanks_do_not_join(con: Connection, calls: dict[str, int]) -> None:
    sql = "select a.i, b.i from t a join t b on ai_similarity(a.s, b.s) > 0.99 order by all"
    assert con.execute(sql).fetchall() == [(0, 0), (0, 6), (6, 0), (6, 6)]
    assert calls["rows"] == 1
    ledger = con.execute("select blank from inlay_ledger() order by all desc limit 1").fetchone()
    assert ledger == (8,)
    answered = sql.replace("b.s)", "b.s, on_blank := 'answer')")
    assert len(con.execute(answered).fetchall()) == 8


def test_a_stored_answer_to_a_blank_does_not_come_back(tmp_path: Path) -> None:
    call = "ai_classify(s, ['a', 'b'] {})"
    with inlay.connect(model="fake", store=str(tmp_path)) as con:
        con.register("t", pa.table({"s": ["", "text"]}))
        before = both_ways(con, f"""select {call.format(", on_blank := 'answer'")} from t""")
        assert None not in before
        assert both_ways(con, f"select {call.format('')} from t") == [None, before[1]]
        again = con.execute(f"""select try_{call.format(", on_blank := 'answer'")} as d from t""").fetchall()
        assert [row[0]["cached"] for row in again] == [True, True]  # one signature, whatever on_blank is
    folders = [path for path in (tmp_path / "results").iterdir() if path.name.startswith("ai_classify")]
    assert len(folders) == 1


def test_on_blank_is_checked(con: Connection, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="on_blank is 'no'; it must be 'skip' or 'answer'"):
        con.execute("select ai_sentiment(s, on_blank := 'no') from t").fetchall()
    with pytest.raises(ConfigError, match="on_blank is 'no'; it must be one of skip, answer"):
        inlay.connect(model="fake", functions={"ai_sentiment": {"on_blank": "no"}})
    with inlay.connect(model="fake", functions={"ai_sentiment": {"on_blank": "answer"}}) as con:
        assert con.execute("select ai_sentiment('') is null, ai_sentiment('', on_blank := 'skip')").fetchall() == [
            (False, None)
        ]


def test_white_space_is_what_python_strips() -> None:
    letters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    blank = blank_texts(pa.array(letters)).to_pylist()
    assert [letter for letter, at in zip(letters, blank, strict=True) if at] == [
        letter for letter in letters if not letter.strip()
    ]


def test_a_blank_is_found_wherever_it_is() -> None:
    spec = all_definitions()["ai_classify"]
    white = [letter for code in range(0x3001) if not (letter := chr(code)).strip()]
    for blank in ["", *white, "".join(white)]:
        column = pa.array(["text", None, "é", blank, "text"])
        assert blank_rows(spec, "null", [column]).to_pylist() == [False, False, False, True, False]
        assert blank_rows(spec, "null", [column.slice(3)]).to_pylist() == [True, False]
        assert blank_rows(spec, "null", [column.slice(4)]) is None
        assert blank_rows(spec, "null", [column.slice(0, 3)]) is None
