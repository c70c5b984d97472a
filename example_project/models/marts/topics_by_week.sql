select
    cast(date_trunc('week', created_at) as date) as week,
    topic,
    count(*) as n_tickets,
    count(*) / sum(count(*)) over (partition by week) as share
from {{ ref('tickets_classified') }}
where topic is not null
group by week, topic
