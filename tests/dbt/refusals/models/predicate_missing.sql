select {{ inlay.ai_filter("'x'", none, threshold=0.5) }} as s
