with spent as (
    select customer_id, sum(amount_eur) as spent_eur
    from {{ ref('stg_orders') }}
    where status = 'delivered'
    group by customer_id
),

complaints as (
    select customer_id, count(*) as n_complaints, max(created_at) as last_complaint_at
    from {{ ref('tickets_classified') }}
    where topic in ('delivery', 'defect', 'refund', 'billing')
    group by customer_id
),

bad_reviews as (
    select customer_id, count(*) as n_negative_reviews
    from {{ ref('reviews_with_sentiment') }}
    where sentiment = 'negative'
    group by customer_id
)

select
    customers.customer_id,
    customers.name,
    customers.country,
    complaints.n_complaints,
    bad_reviews.n_negative_reviews,
    coalesce(spent.spent_eur, 0) as spent_eur,
    complaints.last_complaint_at
from complaints
inner join bad_reviews using (customer_id)
inner join {{ ref('stg_customers') }} as customers using (customer_id)
left join spent using (customer_id)
