with judged as (
    select 'topic' as task, gold_topic as gold, topic as answer
    from {{ ref('tickets_classified') }}

    union all

    select 'sentiment' as task, gold_sentiment as gold, sentiment as answer
    from {{ ref('reviews_with_sentiment') }}

    union all

    select 'product' as task, tickets.gold_product_id as gold, found.product_id as answer
    from {{ ref('stg_tickets') }} as tickets
    left join {{ ref('ticket_products') }} as found using (ticket_id)
)

select
    task,
    coalesce(gold, 'all') as gold,
    count(*) as n_rows,
    count(answer) as n_answered,
    count(*) filter (where answer = gold) as n_agree,
    n_agree / nullif(n_answered, 0) as accuracy
from judged
where gold is not null
group by grouping sets ((task), (task, judged.gold))
