select
    product_id,
    {{ inlay.ai_embed("name || ': ' || description", dim=384) }} as embedding
from {{ ref('stg_products') }}
