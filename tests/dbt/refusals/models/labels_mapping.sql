select {{ inlay.ai_classify("'x'", {'bug': 'does not work'}) }} as s
