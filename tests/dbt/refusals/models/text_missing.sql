select {{ inlay.ai_embed(none) }} as s
