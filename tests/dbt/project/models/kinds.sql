-- A head trained from labelled rows.
{{ config(materialized='inlay_head', text='body', label='kind', method='centroid') }}
select 'word ' || i as body, case when i % 2 = 0 then 'even' else 'odd' end as kind from range(40) as r(i)
