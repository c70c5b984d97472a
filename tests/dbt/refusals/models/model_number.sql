select {{ inlay.ai_embed("'x'", model=3) }} as s
