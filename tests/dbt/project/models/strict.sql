-- Stops at the row that fails until ON_ERROR says otherwise.
select
    id,
    {{ inlay.ai_sentiment('body', on_error=env_var('ON_ERROR', 'null')) }} as sentiment
from {{ ref('texts') }}
