-- How sure a call is, by labelled rows.
{{ config(materialized='inlay_head', call=var('inlay_prefix', '') ~ "ai_classify(body, ['delivery', 'defect'])", label='kind') }}
select 'word ' || i as body, case when i % 2 = 0 then 'delivery' else 'defect' end as kind from range(40) as r(i)
