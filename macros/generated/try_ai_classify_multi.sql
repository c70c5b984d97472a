{#- Written by `make docs` from udfs/ai_classify_multi.sql; edit there. -#}
{#- try_ai_classify_multi(text, labels=none, threshold=none, template=none, model=none, on_error=none, on_blank=none):
    SQL expression of type STRUCT(value VARCHAR[], error VARCHAR, confidence DOUBLE, scores MAP(VARCHAR, DOUBLE), model
    VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_classify_multi(
    text, labels=none, threshold=none, template=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(adapter.dispatch('try_ai_classify_multi', 'inlay')(
        text, labels=labels, threshold=threshold, template=template, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_classify_multi(
    text, labels=none, threshold=none, template=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(inlay._unsupported('try_ai_classify_multi')) }}
{%- endmacro %}

{% macro duckdb__try_ai_classify_multi(
    text, labels=none, threshold=none, template=none, model=none, on_error=none, on_blank=none
) -%}
    {%- set arguments = [text] -%}
    {%- set options = {
        'threshold': threshold, 'template': template, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('try_ai_classify_multi', arguments, options, setting=('labels', labels))) }}
{%- endmacro %}
