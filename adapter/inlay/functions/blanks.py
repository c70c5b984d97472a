"""Blank texts: nothing but white space. Whatever a model says of one is invented, so by default none is asked.

A function's header says what a blank gives: `blank = "null"`, where it judges, extracts, embeds or aggregates; "same",
the text itself, where it makes a text of a text; "ask", where a blank is a question like any other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import Ints, column_of, true_places
from inlay.functions.spec import FunctionSpec
from inlay.types import Blank

# What str.strip() removes, as RE2 writes it, which is Arrow's and DuckDB's: macros/_stored.sql has it as well.
WHITE = r"[\x09-\x0d\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"
_BLANK = rf"\A{WHITE}*\z"
# The first bytes of these in UTF-8.
_BEGINS_WHITE = np.zeros(256, dtype=np.bool_)
_BEGINS_WHITE[list(b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \xc2\xe1\xe2\xe3")] = True
# A JSON list that may hold blank texts alone; which it does is then read.
_BLANKS = rf'\A\[(?:"(?:{WHITE}|\\[a-z0-9]+)*",?)*\]\z'


def blank_rows(spec: FunctionSpec, blank: Blank, columns: Sequence[pa.Array]) -> pa.Array | None:
    """Which rows are not asked for, since a text of theirs is blank; None where all are. A row with a NULL is no such
    row. columns: the row values. Of a text made of a text only the first of them counts."""
    if blank == "ask":
        return None
    texts = [column for column in (columns if blank == "null" else columns[:1]) if pa.types.is_string(column.type)]
    are_lists = spec.kind == "aggregate"
    if not texts or not (are_lists or any(map(_may_hold_blanks, texts))):
        return None
    found = [blank_texts(column, are_lists=i == 0 and are_lists) for i, column in enumerate(texts)]
    # NULL or anything is NULL, and NULL no blank.
    blank_or_null = reduce(pc.or_, found)
    rows = pc.and_kleene(blank_or_null, blank_or_null.is_valid())
    return rows if rows.true_count else None


def _may_hold_blanks(texts: pa.Array) -> bool:
    """Whether a text is empty or begins as white space does: a look at one byte of each, since hardly any column has
    such texts."""
    if not len(texts):
        return False
    _, ends, content = texts.buffers()
    ends = np.frombuffer(ends, dtype=np.int32, count=len(texts) + 1, offset=4 * texts.offset)
    starts = ends[:-1][ends[:-1] < ends[1:]]
    if len(texts) - len(starts) > texts.null_count:
        return True
    return bool(_BEGINS_WHITE[np.frombuffer(content or b"", dtype=np.uint8)[starts]].any())


def blank_texts(texts: pa.Array, *, are_lists: bool = False) -> pa.Array:
    """Which texts are blank, NULL where one is NULL. are_lists: each is a JSON list, blank where all its texts are."""
    if not are_lists:
        return pc.match_substring_regex(texts, _BLANK)
    maybe = pc.match_substring_regex(texts, _BLANKS)
    if not maybe.true_count:
        return maybe
    lists = zip(maybe.to_pylist(), texts.to_pylist(), strict=True)
    return column_of([at and not any(text.strip() for text in json.loads(each)) for at, each in lists], pa.bool_())


def asked_places(texts: pa.Array) -> Ints:
    """Of those that are not blank."""
    return true_places(pc.invert(blank_texts(texts)))
