{#- Written by `make docs` from udfs/ai_similarity.sql; edit there. -#}
{#- try_ai_similarity(a, b, model=none, on_error=none, on_blank=none): SQL expression of type STRUCT(value DOUBLE, error
    VARCHAR, confidence DOUBLE, model VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_similarity(a, b, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('try_ai_similarity', 'inlay')(
        a, b, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_similarity(a, b, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('try_ai_similarity')) }}
{%- endmacro %}

{% macro duckdb__try_ai_similarity(a, b, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [a, b] -%}
    {%- set options = {'model': model, 'on_error': on_error, 'on_blank': on_blank} -%}
    {{ return(inlay._call('try_ai_similarity', arguments, options)) }}
{%- endmacro %}
