"""Which run of a text's own words a language model finds likeliest as the answer to each of some questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from inlay.arrays import Floats, offsets_of
from inlay.backends.base import Tokens
from inlay.backends.chat.continued import ContinuedPrompts
from inlay.backends.chat.control_tokens import Ids
from inlay.backends.decoders.option_tree import OptionTree, option_tree
from inlay.backends.runs import MOST_WORDS, Spans, best_runs
from inlay.models.ref import ModelRef

Likelihoods = Callable[[Sequence[Ids], OptionTree], Floats]
"""Float32 [prompts, options]: the log-likelihood of each option after each prompt."""

# For the runs of words after the prompt; a word has about one and a half tokens.
_ANSWER_TOKENS = 4 * MOST_WORDS


def span_tokens(prompts: ContinuedPrompts, ref: ModelRef, spans: Spans, texts: list[str]) -> Tokens:
    """Tokens up to the end of each text, which is cut at the model's limit: the questions and answers follow it."""
    more = max(len(prompts.ending(ending)) for ending in spans.endings) + _ANSWER_TOKENS
    room = ref.max_tokens - more
    kept, rows, before = [], [], []
    for text in texts:
        ids = prompts.beginning(spans.before, text)
        before.append(len(ids) + more)
        if len(ids) > room:
            text = prompts.first_letters(text, room - len(prompts.beginning(spans.before, "")))
            ids = prompts.beginning(spans.before, text)
        kept.append(text)
        rows.append(ids)
    joined = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int32)
    offsets = offsets_of([len(ids) for ids in rows])
    return Tokens(joined, offsets, None, np.array(before, dtype=np.int64), choices=spans, texts=tuple(kept))


def found_spans(prompts: ContinuedPrompts, spans: Spans, tokens: Tokens, likelihoods: Likelihoods) -> Floats:
    """Float32 [texts, Spans.width]. Of each text the questions are read together, so that it is read once."""
    assert tokens.texts is not None
    endings = [prompts.ending(ending) for ending in spans.endings]
    rows = []
    for text, start, end in zip(tokens.texts, tokens.offsets[:-1], tokens.offsets[1:], strict=True):
        asked = [np.concatenate([tokens.ids[start:end], ending]) for ending in endings]

        def beginnings(texts: Sequence[str], asked: Sequence[Ids] = asked) -> Floats:
            return likelihoods(asked, option_tree([prompts.answer(each)[:1] for each in texts], None))

        def answers(texts: Sequence[str], asked: Sequence[Ids] = asked) -> Floats:
            return likelihoods(asked, option_tree([prompts.answer(each) for each in texts], None))

        rows.append(best_runs(text, spans, beginnings, answers))
    return np.stack(rows)
