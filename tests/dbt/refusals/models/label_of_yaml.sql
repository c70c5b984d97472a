select {{ inlay.ai_classify("'x'", ['yes', false]) }} as s
