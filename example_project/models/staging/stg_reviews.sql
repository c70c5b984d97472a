select
    review_id,
    product_id,
    customer_id,
    created_at,
    stars,
    -- An empty CSV cell is loaded as NULL, so the kind has to tell: a rating has no text (NULL),
    -- a review may have an empty one ('').
    case when kind = 'rating' then body else coalesce(body, '') end as body,
    gold_sentiment
from {{ ref('raw_reviews') }}
