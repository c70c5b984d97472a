"""Prompts of many rows as inputs in three columns: the prompt before the row's own text, the text, and the rest.

The text keeps its digest, and what all rows share is hashed once.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from inlay.backends.base import filled_rows
from inlay.store.codecs import TEXT
from inlay.store.inputs import Inputs, beside, inputs_of


def prompts(template: str, texts: Inputs, pairs: Sequence[str | None] | None = None) -> Inputs:
    """One prompt for each text, which may have a second one beside it. template: see backends/base.py: filled()."""
    rows = filled_rows(template, texts.values(), pairs, texts.tags())
    before, after = (
        inputs_of([pa.array(part, type=pa.string())], [TEXT])
        for part in ([prompt.before for prompt in rows], [prompt.after for prompt in rows])
    )
    return beside(before, texts, after)
