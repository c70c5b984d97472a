{%- set topics = [
    {'label': 'delivery', 'description': 'a parcel that has not arrived; courier and tracking'},
    {'label': 'defect', 'description': 'The product has a defect: something is broken, loose, torn or leaking.'},
    {'label': 'refund', 'description': 'I want to return it and get my money back'},
    {'label': 'billing', 'description': 'wrong amount charged, invoice, payment or voucher not accepted'},
    {'label': 'account', 'description': 'account settings, password, personal data, newsletter'},
    {'label': 'question', 'description': 'Can I use it with this? Is it waterproof? How heavy is it?'},
    {'label': 'praise', 'description': 'The best I ever had, thank you!'},
] -%}
{%- set tags = [
    {'label': 'courier', 'description': 'the driver or courier'},
    {'label': 'damaged in transit', 'description': 'the box was crushed when it arrived'},
    {'label': 'invoice', 'description': 'please send or correct the invoice'},
    {'label': 'leak', 'description': 'water leaks out'},
    {'label': 'newsletter', 'description': 'unsubscribe from the newsletter'},
    {'label': 'noise', 'description': 'it makes a noise'},
    {'label': 'password', 'description': 'forgot my password, cannot log in'},
    {'label': 'size', 'description': 'too big, too small, which size'},
    {'label': 'voucher', 'description': 'discount code or voucher'},
    {'label': 'wrong address', 'description': 'the delivery address is wrong'},
] -%}

with written as (
    -- an empty text has no topic: nobody is asked
    select *, nullif(trim(body), '') as text
    from {{ ref('stg_tickets') }}
)

select
    ticket_id,
    customer_id,
    created_at,
    channel,
    body,
    {{ inlay.ai_classify('text', topics) }} as topic,
    {{ inlay.ai_classify_multi('text', tags, threshold=0.35) }} as tags,
    gold_topic
from written
