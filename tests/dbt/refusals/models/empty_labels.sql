select {{ inlay.ai_classify("'x'", []) }} as s
