-- Two embedded columns and a cosine, not ai_similarity(ticket, product): each text is embedded once, and the
-- comparison of every ticket with every product is plain arithmetic.
with compared as (
    select
        tickets.ticket_id,
        products.product_id,
        array_cosine_similarity(tickets.embedding, products.embedding) as similarity
    from {{ ref('ticket_embeddings') }} as tickets
    cross join {{ ref('product_embeddings') }} as products
)

select
    ticket_id,
    arg_max(product_id, similarity) as product_id,
    max(similarity) as similarity
from compared
group by ticket_id
-- Many tickets name no product, and the nearest one is then a guess; the model `quality` shows how few are wrong here.
having max(similarity) >= 0.3
