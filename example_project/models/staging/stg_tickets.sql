select
    ticket_id,
    customer_id,
    created_at,
    channel,
    -- An empty CSV cell is loaded as NULL, so the channel has to tell: by phone nothing was written (NULL),
    -- everywhere else somebody sent an empty text ('').
    case when channel = 'phone' then body else coalesce(body, '') end as body,
    gold_topic,
    gold_product_id
from {{ ref('raw_tickets') }}
