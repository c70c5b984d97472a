-- The macros that ask a language model, and those that find personal data.
select
    id,
    {{ inlay.ai_complete("'Say: ' || body", system="it's urgent", max_tokens=20, stop=['.'], seed=1) }} as reply,
    {{ inlay.try_ai_complete('body', schema=['b', 'a'], temperature=0.5) }} as try_reply,
    {{ inlay.ai_extract('body', {'what': "What's it about?", 'how': none}) }} as about,
    {{ inlay.ai_extract('body', {'what': "What's it about?", 'how': none}) }}.how as how,
    {{ inlay.try_ai_extract('body', 'sent DATE, n INTEGER', instructions="don't guess") }} as try_about,
    {{ inlay.ai_extract_json('body', {'type': 'object', 'properties': {'n': {'type': 'integer'}}}) }} as about_json,
    {{ inlay.try_ai_extract_json('body', ['what']) }} as try_about_json,
    {{ inlay.ai_sentiment_by_aspect('body', ['speed', "the lamp's light"]) }} as feelings,
    {{ inlay.try_ai_sentiment_by_aspect('body', ['speed']) }} as try_feelings,
    {{ inlay.ai_summarize('body', max_words=5) }} as summary,
    {{ inlay.try_ai_summarize('body', max_tokens=300) }} as try_summary,
    {{ inlay.ai_translate('body', 'German', source='English') }} as german,
    {{ inlay.try_ai_translate('body', 'German') }} as try_german,
    {{ inlay.ai_fix_grammar('body') }} as mended,
    {{ inlay.try_ai_fix_grammar('body') }} as try_mended,
    {{ inlay.ai_redact("body || ', jo@example.com'", categories=['email', 'phone']) }} as redacted,
    {{ inlay.try_ai_redact('body') }} as try_redacted,
    {{ inlay.ai_detect_pii("body || ', jo@example.com'") }} as personal,
    {{ inlay.try_ai_detect_pii('body') }} as try_personal
from {{ ref('texts') }}
