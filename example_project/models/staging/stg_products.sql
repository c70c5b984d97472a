select
    product_id,
    name,
    category,
    price_eur,
    description
from {{ ref('raw_products') }}
