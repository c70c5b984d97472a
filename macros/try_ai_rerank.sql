{#- try_ai_rerank(query, document, model=none, on_error=none):
    SQL expression of type STRUCT with value DOUBLE and error. -#}
{% macro try_ai_rerank(query, document, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_rerank', 'inlay')(query, document, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__try_ai_rerank(query, document, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_rerank')) }}
{%- endmacro %}

{% macro duckdb__try_ai_rerank(query, document, model=none, on_error=none) -%}
    {{ return(inlay._call('try_ai_rerank', [query, document], {'model': model, 'on_error': on_error})) }}
{%- endmacro %}
