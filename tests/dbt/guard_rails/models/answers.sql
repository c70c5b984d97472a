-- guess: always an answer. label: none where the text is blank, and none for row 7, which failed.
select
    i as id,
    case when i % 20 = 19 then ' ' || chr(160) else 'text ' || i end as body,
    case when i % 2 = 0 then 'even' else 'odd' end as guess,
    case when i % 20 <> 19 and i <> 7 then guess end as label,
    case when i < 100 then 0.95 else 0.6 end as probability
from range(200) as numbers(i)
