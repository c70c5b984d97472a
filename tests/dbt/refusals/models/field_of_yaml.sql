select {{ inlay.ai_extract("'x'", {'what': 'What?', true: 'When?'}) }} as s
