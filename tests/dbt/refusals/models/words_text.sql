select {{ inlay.ai_summarize("'x'", max_words='5') }} as s
