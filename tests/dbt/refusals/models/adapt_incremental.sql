{{ config(materialized='incremental') }}
select {{ inlay.ai_classify("'x'", ['a', 'b'], adapt=true) }} as s
