{#- Written by `make docs` from udfs/ai_similarity.sql; edit there. -#}
{#- ai_similarity(a, b, model=none, on_error=none, on_blank=none): SQL expression of type DOUBLE. -#}
{% macro ai_similarity(a, b, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_similarity', 'inlay')(a, b, model=model, on_error=on_error, on_blank=on_blank)) }}
{%- endmacro %}

{% macro default__ai_similarity(a, b, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('ai_similarity')) }}
{%- endmacro %}

{% macro duckdb__ai_similarity(a, b, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [a, b] -%}
    {%- set options = {'model': model, 'on_error': on_error, 'on_blank': on_blank} -%}
    {{ return(inlay._call('ai_similarity', arguments, options)) }}
{%- endmacro %}
