-- The topic that led each week
select week, topic, n_tickets, round(share, 2) as share
from topics_by_week
qualify row_number() over (partition by week order by share desc, topic) = 1
order by week;

-- Feelings about products: the three best and the three worst
select name, n_orders, n_reviews, round(share_positive, 2) as positive, round(share_negative, 2) as negative
from sentiment_by_product
qualify row_number() over (order by share_positive desc, name) <= 3
    or row_number() over (order by share_positive, name) <= 3
order by share_positive desc, name;

-- A few tickets with what was found in them
select
    left(replace(tickets.body, chr(10), ' '), 60) as body,
    tickets.topic,
    array_to_string(tickets.tags, ', ') as tags,
    products.name as product
from tickets_classified as tickets
inner join ticket_products using (ticket_id)
inner join stg_products as products using (product_id)
where len(tickets.tags) > 0
qualify row_number() over (partition by tickets.topic order by ticket_products.similarity desc, tickets.ticket_id) = 1
order by tickets.topic;

-- Messages to hand on
select ticket_id, left(replace(substr(body, greatest(1, position('[' in body) - 40)), chr(10), ' '), 90) as body
from tickets_redacted
where contains(body, '[EMAIL]') or contains(body, '[PHONE]')
order by ticket_id
limit 4;

-- How often the model agrees with a person
select task, n_rows, n_answered, n_agree, round(accuracy, 2) as accuracy
from quality
where gold = 'all'
order by accuracy desc;
