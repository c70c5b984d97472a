{#- Written by `make docs` from udfs/ai_rerank.sql; edit there. -#}
{#- ai_rerank(query, document, model=none, on_error=none, on_blank=none): SQL expression of type DOUBLE. -#}
{% macro ai_rerank(query, document, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_rerank', 'inlay')(
        query, document, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_rerank(query, document, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('ai_rerank')) }}
{%- endmacro %}

{% macro duckdb__ai_rerank(query, document, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [query, document] -%}
    {%- set options = {'model': model, 'on_error': on_error, 'on_blank': on_blank} -%}
    {{ return(inlay._call('ai_rerank', arguments, options)) }}
{%- endmacro %}
