select
    ticket_id,
    {{ inlay.ai_redact('body', categories=['email', 'phone', 'card', 'iban']) }} as body
from {{ ref('stg_tickets') }}
