{{ config(materialized='ephemeral') }}

select {{ inlay.ai_sentiment("'x'") }} as s
