{{ config(materialized='view') }}

select {{ inlay.ai_sentiment("'x'") }} as s
