select {{ inlay.ai_classify_multi("'x'", [{'name': 'bug'}], threshold=0.5) }} as s
