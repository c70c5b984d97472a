select {{ inlay.ai_filter("'x'", 'is a letter', threshold='0.5') }} as s
