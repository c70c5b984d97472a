"""Prompts of many rows as inputs in three columns: the prompt before the row's own text, the text, and the rest.

The text keeps its digest, and what all rows share is hashed once.
"""

from __future__ import annotations

from collections.abc import Sequence

from inlay.backends.base import Prompt, filled, filled_rows, is_same_for_all
from inlay.store.inputs import Inputs, beside, repeated_text, text_inputs


def prompts(template: str, inputs: Inputs) -> Inputs:
    """One prompt for each text, or each text and a second one beside it.

    template: as filled() of backends/base.py has it.
    """
    texts = inputs.column(0)
    if is_same_for_all(template):
        around = filled(template, "")
        return beside(repeated_text(around.before, len(texts)), texts, repeated_text(around.after, len(texts)))
    seconds = inputs.values(1) if len(inputs.columns) > 1 else None
    return prompt_inputs(filled_rows(template, texts.values(), seconds, texts.tags()), texts)


def prompt_inputs(rows: Sequence[Prompt], texts: Inputs) -> Inputs:
    """texts: those of the prompts, in their order."""
    return beside(text_inputs([row.before for row in rows]), texts, text_inputs([row.after for row in rows]))
