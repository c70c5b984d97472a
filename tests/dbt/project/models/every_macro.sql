-- Each public macro once, with every kind of argument that it takes; the others are in language_models and per_group.
select
    id,
    {{ inlay.ai_embed('body', task='query', model='fake', dim=8) }} as embedding,
    {{ inlay.try_ai_embed('body') }} as try_embedding,
    {{ inlay.ai_similarity('body', "'where is my order?'") }} as similarity,
    {{ inlay.try_ai_similarity('body', "'where is my order?'") }} as try_similarity,
    {{ inlay.ai_classify('body', ['delivery', 'defect', "it's fine"]) }} as topic,
    {{ inlay.try_ai_classify('body', "['delivery', 'defect']", template='This is about {label}.') }} as try_topic,
    {{ inlay.ai_classify_multi(
        'body', [{'label': 'late', 'description': "hasn't come"}, 'broken'], threshold=-1
    ) }} as tags,
    {{ inlay.try_ai_classify_multi('body', ['late', 'broken'], threshold=0.5) }} as try_tags,
    {{ inlay.ai_filter('body', "the customer isn't happy", threshold=0.0) }} as is_unhappy,
    {{ inlay.try_ai_filter('body', 'the customer is angry', model='fake-nli') }} as try_is_unhappy,
    {{ inlay.ai_filter({'mail': 'body', 'no': 'id'}, '{mail} is number {no}', model='fake-nli') }} as is_number,
    {{ inlay.ai_score('body', 'urgent') }} as urgency,
    {{ inlay.try_ai_score('body', 'urgent') }} as try_urgency,
    {{ inlay.ai_classify('body', examples="select body as text, 'late' as label from " ~ ref('texts') ~ " where id < 3") }} as by_examples,
    {{ inlay.ai_decide('body', {'team': {'choice': ['shop', 'post']}}) }}.team.value as team,
    {{ inlay.try_ai_decide('body', {'team': {'choice': ['shop', 'post']}}) }} as try_team,
    {{ inlay.ai_sentiment('body', on_error='null') }} as sentiment,
    {{ inlay.try_ai_sentiment('body') }} as try_sentiment,
    {{ inlay.ai_rerank("'parcel'", 'body') }} as relevance,
    {{ inlay.try_ai_rerank("'parcel'", 'body') }} as try_relevance,
    {{ inlay.ai_classify('body', ['delivery', 'defect'], calibration=ref('calibrated')) }} as calibrated,
    {{ inlay.ai_predict('body', ref('kinds')) }} as kind,
    {{ inlay.try_ai_predict('body', 'kinds') }} as try_kind,
    {{ inlay.ai_count_tokens('body') }} as n_tokens,
    {{ inlay.try_ai_count_tokens('body') }} as try_n_tokens
from {{ ref('texts') }}
