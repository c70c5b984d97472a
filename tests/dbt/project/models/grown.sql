{{ config(materialized='incremental', unique_key='id') }}

select
    id,
    {{ inlay.ai_embed('body') }} as embedding
from {{ ref('texts') }}
{% if is_incremental() -%}
where id > (select max(id) from {{ this }})
{%- endif %}
