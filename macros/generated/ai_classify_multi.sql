{#- Written by `make docs` from udfs/ai_classify_multi.sql; edit there. -#}
{#- ai_classify_multi(text, labels=none, threshold=none, template=none, model=none, on_error=none, on_blank=none): SQL
    expression of type VARCHAR[]. -#}
{% macro ai_classify_multi(
    text, labels=none, threshold=none, template=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(adapter.dispatch('ai_classify_multi', 'inlay')(
        text, labels=labels, threshold=threshold, template=template, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_classify_multi(
    text, labels=none, threshold=none, template=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(inlay._unsupported('ai_classify_multi')) }}
{%- endmacro %}

{% macro duckdb__ai_classify_multi(
    text, labels=none, threshold=none, template=none, model=none, on_error=none, on_blank=none
) -%}
    {%- set arguments = [text] -%}
    {%- set options = {
        'threshold': threshold, 'template': template, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('ai_classify_multi', arguments, options, setting=('labels', labels))) }}
{%- endmacro %}
