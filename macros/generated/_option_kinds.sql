{#- Written by `make docs` from the headers in udfs/; edit there. -#}
{#- _option_kinds(): what kind of value each option takes, by its name; one that is not here is text. -#}
{% macro _option_kinds() -%}
    {{ return({
        'accuracy': 'number', 'adapt': 'flag', 'agreement': 'number', 'ai_sentiment.levels': 'integer',
        'aspects': 'texts', 'categories': 'texts', 'examples': 'examples', 'labels': 'labels', 'levels': 'texts',
        'max_tokens': 'integer', 'max_words': 'integer', 'precision': 'number', 'probability': 'number',
        'questions': 'questions', 'recall': 'number', 'schema': 'schema', 'seed': 'integer', 'stop': 'texts',
        'temperature': 'number', 'threshold': 'number', 'verbatim': 'flag'
    }) }}
{%- endmacro %}
