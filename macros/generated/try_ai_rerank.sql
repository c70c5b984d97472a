{#- Written by `make docs` from udfs/ai_rerank.sql; edit there. -#}
{#- try_ai_rerank(query, document, model=none, on_error=none, on_blank=none): SQL expression of type STRUCT(value
    DOUBLE, error VARCHAR, confidence DOUBLE, model VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_rerank(query, document, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('try_ai_rerank', 'inlay')(
        query, document, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_rerank(query, document, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('try_ai_rerank')) }}
{%- endmacro %}

{% macro duckdb__try_ai_rerank(query, document, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [query, document] -%}
    {%- set options = {'model': model, 'on_error': on_error, 'on_blank': on_blank} -%}
    {{ return(inlay._call('try_ai_rerank', arguments, options)) }}
{%- endmacro %}
