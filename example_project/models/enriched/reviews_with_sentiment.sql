with written as (
    -- an empty text has no sentiment: nobody is asked
    select *, nullif(trim(body), '') as text
    from {{ ref('stg_reviews') }}
)

select
    review_id,
    product_id,
    customer_id,
    created_at,
    stars,
    body,
    {{ inlay.ai_sentiment('text') }} as sentiment,
    gold_sentiment
from written
