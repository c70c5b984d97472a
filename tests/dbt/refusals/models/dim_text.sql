select {{ inlay.ai_embed("'x'", dim='many') }} as s
