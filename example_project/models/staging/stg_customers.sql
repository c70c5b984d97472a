select
    customer_id,
    first_name || ' ' || last_name as name,
    email,
    country,
    signed_up_on
from {{ ref('raw_customers') }}
