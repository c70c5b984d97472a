select * from {{ ref('strict') }}
