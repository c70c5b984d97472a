select
    orders.order_id,
    orders.customer_id,
    orders.product_id,
    orders.ordered_at,
    orders.quantity,
    orders.status,
    orders.quantity * products.price_eur as amount_eur
from {{ ref('raw_orders') }} as orders
inner join {{ ref('stg_products') }} as products using (product_id)
