-- Labels that move once towards texts.
{{ config(materialized='inlay_head', text='body', labels=['delivery', {'label': 'defect', 'description': "doesn't work"}]) }}
select body from {{ ref('texts') }}
