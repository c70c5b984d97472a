with orders as (
    select product_id, count(*) as n_orders
    from {{ ref('stg_orders') }}
    where status <> 'cancelled'
    group by product_id
),

reviews as (
    select
        product_id,
        count(sentiment) as n_reviews,
        count(*) filter (where sentiment = 'positive') as n_positive,
        count(*) filter (where sentiment = 'negative') as n_negative,
        avg(stars) as average_stars
    from {{ ref('reviews_with_sentiment') }}
    group by product_id
)

select
    products.product_id,
    products.name,
    coalesce(orders.n_orders, 0) as n_orders,
    coalesce(reviews.n_reviews, 0) as n_reviews,
    reviews.n_positive / nullif(reviews.n_reviews, 0) as share_positive,
    reviews.n_negative / nullif(reviews.n_reviews, 0) as share_negative,
    reviews.average_stars
from {{ ref('stg_products') }} as products
left join orders using (product_id)
left join reviews using (product_id)
