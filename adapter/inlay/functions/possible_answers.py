"""What a stored answer may be: a part of a store may have been written by somebody else.

A manifest holds the question that its rows answer, and so which labels, fields or range their values have. The same
test serves a statement that reads answers, and `inlay store verify` and `import`, which have the manifest alone. Of a
function that inlay does not ship only the types are known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import Bools, array_flags, array_floats, column_of
from inlay.engine.answers import AnswerCodec, Numbers, Table, Texts, is_reply
from inlay.functions.decisions import HOLDS
from inlay.functions.labels import one_line
from inlay.functions.sentiment import SENTIMENTS
from inlay.json_schema import is_stored_reply

Question = Mapping[str, Any]
"""All but the input that decides an answer, in JSON's types, as a manifest has it."""

Test = Callable[[Question, pa.ChunkedArray], Bools]


def are_answers(manifest: Mapping[str, Any], rows: pa.Table) -> Bools:
    """Of each stored row whether it may be an answer to the question of its result set. Raises KeyError or TypeError
    for a manifest that lacks what questions have."""
    question: Question = manifest["question"]
    codec: AnswerCodec = Table(rows.schema, partial(are_possible, question))
    if "numbers" in question:
        choices = question["prompt"]
        codec = Numbers(len(choices["options"]) if isinstance(choices, Mapping) else manifest.get("width"))
    elif "completion" in question:
        codec = Texts(question["instruction"]["schema"])
    good = np.zeros(len(rows), dtype=np.bool_)
    good[codec.from_table(rows)[0]] = True
    return good


def are_possible(question: Question, rows: pa.Table) -> Bools:
    """Of each row whether it may be an answer to the question."""
    value = rows["value"]
    good = _has_value(value)
    test = _TESTS.get(str(question.get("function")))
    if test is not None:
        good &= test(question, value)
    if "least_confidence" in question:  # what is not sure enough has no value, and that is its answer
        good |= ~_has_value(value)
    if "confidence" in rows.column_names:
        confidence = rows["confidence"]
        good &= ~_has_value(confidence) | np.isfinite(array_floats(confidence))
    if "scores" in rows.column_names:
        good &= _scores(question, rows["scores"])
    return good


def _has_value(column: pa.ChunkedArray) -> Bools:
    return array_flags(column.is_valid()) if column.null_count else np.ones(len(column), dtype=np.bool_)


def _each(values: pa.ChunkedArray, test: Callable[[Any], bool], *, where_null: bool = False) -> Bools:
    """By a test of one value as Python has it; what a value consists of has the right types."""
    tested = (where_null if value is None else test(value) for value in values.to_pylist())
    return np.fromiter(tested, dtype=np.bool_, count=len(values))


def _labels(question: Question) -> list[str]:
    """What an answer may be, as each way to answer says it: labels with their descriptions, labels alone, or the
    feelings that there are sentences of; of a statement whether it holds."""
    if question.get("function") == "ai_filter":
        return list(HOLDS)
    given = question.get("labels") or question.get("compared") or question.get("levels") or question.get("options")
    return [each if isinstance(each, str) else each[0] for each in given or SENTIMENTS]


def _scores(question: Question, values: pa.ChunkedArray) -> Bools:
    """A number for labels; NULL where a model gives none."""
    keys = pa.chunked_array([chunk.keys for chunk in values.chunks], pa.string())
    numbers = pa.chunked_array([chunk.items for chunk in values.chunks], pa.float64())
    is_label = _is_label(question)
    if array_flags(pc.is_finite(numbers)).all() and all(map(is_label, keys.unique().to_pylist())):
        return np.ones(len(values), dtype=np.bool_)
    return _each(
        values,
        lambda pairs: all(is_label(name) and number is not None and isfinite(number) for name, number in pairs),
        where_null=True,
    )


def _a_label(question: Question, values: pa.ChunkedArray) -> Bools:
    other = [question["other"][0]] if "other" in question else []
    return array_flags(pc.is_in(values, value_set=_label_column((*_labels(question), *other))))


@lru_cache
def _label_column(labels: tuple[str, ...]) -> pa.Array:
    return column_of(labels, pa.string())


def _some_labels(question: Question, values: pa.ChunkedArray) -> Bools:
    is_label = _is_label(question)
    return _each(values, lambda names: len(set(names)) == len(names) and all(map(is_label, names)))


def _is_label(question: Question) -> Callable[[Any], bool]:
    labels = _labels(question)
    if not ("labels" in question and "options" in question):
        return set(labels).__contains__

    # A model was asked about each label by itself: the question has its line, where there is one with its description.
    def begins_a_line(name: str | None) -> bool:
        line = one_line(name or "")
        return any(label == line or label.startswith(f"{line}: ") for label in labels)

    return begins_a_line


def _a_feeling_of_each_aspect(question: Question, values: pa.ChunkedArray) -> Bools:
    aspects, feelings = question["aspects"], question["options"]
    return _each(
        values, lambda pairs: [aspect for aspect, _ in pairs] == aspects and all(f in feelings for _, f in pairs)
    )


def _pieces(question: Question, values: pa.ChunkedArray) -> Bools:
    """Personal data: where it begins, counted from 1, and what it is."""
    categories = set(question["categories"])

    def is_piece(piece: Mapping[str, Any]) -> bool:
        text, start = piece["text"], piece["start"]
        return piece["category"] in categories and bool(text) and (start or 0) > 0 and piece["length"] == len(text)

    return _each(values, lambda pieces: all(piece is not None and is_piece(piece) for piece in pieces))


def _between(least: float, most: float) -> Test:
    def test(question: Question, values: pa.ChunkedArray) -> Bools:
        numbers = array_floats(values)
        return np.asarray((numbers >= least) & (numbers <= most), dtype=np.bool_)

    return test


def _json(question: Question, values: pa.ChunkedArray) -> Bools:
    # Field by field the schema is the question's; in one reply it is the instruction's.
    schema = question.get("schema") or question["instruction"]["schema"]
    return _replies(question, values) if schema is None else _each(values, partial(is_stored_reply, schema))


def _decisions(question: Question, values: pa.ChunkedArray) -> Bools:
    """A field for each question, with an answer that it has."""
    names = {name: {label for label, _ in labels} for name, _, _, labels, _ in question["decisions"]}

    def is_answer(text: str) -> bool:
        try:
            fields = json.loads(text)
        except ValueError:
            return False
        is_whole = isinstance(fields, dict) and fields.keys() == names.keys()
        return is_whole and all(not names[name] or fields[name]["value"] in names[name] for name in names)

    return _each(values, is_answer)


def _replies(question: Question, values: pa.ChunkedArray) -> Bools:
    return _each(values, is_reply)


_TESTS: Mapping[str, Test] = {
    "ai_classify": _a_label,
    "ai_classify_multi": _some_labels,
    "ai_sentiment": _a_label,
    "ai_sentiment_by_aspect": _a_feeling_of_each_aspect,
    "ai_score": _between(0, 1),
    "ai_rerank": _between(0, 1),
    "ai_similarity": _between(-1, 1),
    "ai_count_tokens": _between(0, 2**31),
    "ai_extract": _json,
    "ai_extract_json": _json,
    "ai_complete": _json,
    "ai_decide": _decisions,
    "ai_detect_pii": _pieces,
    # A text without personal data is left alone, whatever it begins with.
    "ai_redact": lambda question, values: _each(values, lambda text: bool(text.strip())),
    **dict.fromkeys(("ai_translate", "ai_fix_grammar", "ai_summarize", "ai_summarize_agg", "ai_agg"), _replies),
}
