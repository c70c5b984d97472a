{{ config(materialized='view') }}

select {{ inlay.ai_agg('s', 'What is it?') }} as s from (values ('x')) t(s)
