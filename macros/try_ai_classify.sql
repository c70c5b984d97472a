{#- try_ai_classify(text, labels=none, template=none, agreement=none, probability=none, proxy=none, model=none,
    on_error=none): SQL expression of type STRUCT with value VARCHAR and error. -#}
{% macro try_ai_classify(
    text, labels=none, template=none, agreement=none, probability=none, proxy=none, model=none, on_error=none
) -%}
    {{ return(adapter.dispatch('try_ai_classify', 'inlay')(
        text, labels=labels, template=template, agreement=agreement, probability=probability, proxy=proxy, model=model,
        on_error=on_error
    )) }}
{%- endmacro %}

{% macro default__try_ai_classify(
    text, labels=none, template=none, agreement=none, probability=none, proxy=none, model=none, on_error=none
) -%}
    {{ return(inlay._unsupported('try_ai_classify')) }}
{%- endmacro %}

{% macro duckdb__try_ai_classify(
    text, labels=none, template=none, agreement=none, probability=none, proxy=none, model=none, on_error=none
) -%}
    {%- set options = {
        'template': template, 'agreement': agreement, 'probability': probability, 'proxy': proxy, 'model': model,
        'on_error': on_error
    } -%}
    {{ return(inlay._call('try_ai_classify', [text], options, setting=('labels', labels))) }}
{%- endmacro %}
