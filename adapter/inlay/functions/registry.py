"""Function name → what binds its calls. The SQL side of each name is its file in udfs/.

A function's module is imported with its first call: a process that asks for vectors has no use for telephone numbers.
"""

from __future__ import annotations

import importlib

from inlay.functions.contract import Bind

FUNCTIONS: dict[str, str] = {
    "ai_embed": "embed.bind",
    "ai_similarity": "similarity.bind",
    "ai_classify": "classify.bind",
    "ai_classify_multi": "classify_multi.bind",
    "ai_filter": "filter.bind",
    "ai_score": "score.bind",
    "ai_sentiment": "sentiment.bind",
    "ai_sentiment_by_aspect": "sentiment_by_aspect.bind",
    "ai_rerank": "rerank.bind",
    "ai_complete": "complete.bind",
    "ai_extract": "extract.bind",
    "ai_extract_json": "extract.bind",
    "ai_summarize": "summarize.bind_summarize",
    "ai_translate": "rewrite.bind_translate",
    "ai_fix_grammar": "rewrite.bind_fix_grammar",
    "ai_redact": "personal.bind_redact",
    "ai_detect_pii": "personal.bind_detect",
    "ai_agg": "summarize.bind_agg",
    "ai_summarize_agg": "summarize.bind_summarize_agg",
    "ai_count_tokens": "count_tokens.bind",
}
"""module.function in this package."""


def bind_of(function: str) -> Bind:
    module, _, name = FUNCTIONS[function].partition(".")
    bind: Bind = getattr(importlib.import_module(f"inlay.functions.{module}"), name)
    return bind
