"""Function name → what binds its calls. The SQL side of each name is its file in udfs/."""

from __future__ import annotations

from inlay.functions import (
    classify,
    classify_multi,
    count_tokens,
    embed,
    filter,
    rerank,
    score,
    sentiment,
    similarity,
)
from inlay.functions.contract import Bind

FUNCTIONS: dict[str, Bind] = {
    "ai_embed": embed.bind,
    "ai_similarity": similarity.bind,
    "ai_classify": classify.bind,
    "ai_classify_multi": classify_multi.bind,
    "ai_filter": filter.bind,
    "ai_score": score.bind,
    "ai_sentiment": sentiment.bind,
    "ai_rerank": rerank.bind,
    "ai_count_tokens": count_tokens.bind,
}
