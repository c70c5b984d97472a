{{ config(post_hook="{{ inlay.comment_columns() }}") }}

-- The macros of groups.
select
    id % 3 as rest,
    count(*) as n,
    {{ inlay.ai_agg('body', "what's asked for most?", max_tokens=300) }} as asked,
    {{ inlay.try_ai_agg('body', 'What do they have in common?') }} as try_asked,
    {{ inlay.ai_summarize_agg('upper(body)', max_words=9) }} as summary,
    {{ inlay.try_ai_summarize_agg('body') }} as try_summary
from {{ ref('texts') }}
group by all
having {{ inlay.ai_summarize_agg('upper(body)', max_words=9) }} is not null or count(*) = 2
