{{ config(materialized='view') }}

select * from {{ ref('an_ephemeral') }}
