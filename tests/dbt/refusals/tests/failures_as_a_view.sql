{{ config(store_failures_as='view') }}

select * from (select {{ inlay.ai_sentiment("'x'") }} as s) where s is null
