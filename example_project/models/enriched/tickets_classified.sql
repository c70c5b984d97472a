{%- set topics = [
    'delivery',
    {'label': 'defect', 'description': 'The product has a defect: something is broken, loose, torn or leaking.'},
    {'label': 'refund', 'description': 'refund and return of an item'},
    {'label': 'billing', 'description': 'billing: I was charged the wrong amount, please correct the invoice'},
    {'label': 'account', 'description': 'my account: login, e-mail address, newsletter'},
    {'label': 'question', 'description': 'Can I use it with this? Is it waterproof? How heavy is it?'},
    {'label': 'praise', 'description': 'The best I ever had, thank you!'},
] -%}
{%- set tags = [
    {'label': 'address', 'description': 'the delivery address is wrong'},
    {'label': 'courier', 'description': 'the driver or courier'},
    {'label': 'damaged in transit', 'description': 'the box was crushed when it arrived'},
    {'label': 'invoice', 'description': 'invoice'},
    {'label': 'leak', 'description': 'water leak'},
    {'label': 'noise', 'description': 'it makes a noise'},
    {'label': 'password', 'description': 'password and login'},
    {'label': 'size', 'description': 'size and fit'},
    {'label': 'voucher', 'description': 'discount code or voucher'},
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
