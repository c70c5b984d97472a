select
    ticket_id,
    {{ inlay.ai_embed('body', dim=384) }} as embedding
from {{ ref('stg_tickets') }}
where trim(body) <> ''
