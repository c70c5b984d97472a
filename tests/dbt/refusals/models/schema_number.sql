select {{ inlay.ai_extract("'x'", 3) }} as s
