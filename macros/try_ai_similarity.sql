{#- try_ai_similarity(a, b, model=none, on_error=none): SQL expression of type STRUCT with value DOUBLE and error. -#}
{% macro try_ai_similarity(a, b, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_similarity', 'inlay')(a, b, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__try_ai_similarity(a, b, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_similarity')) }}
{%- endmacro %}

{% macro duckdb__try_ai_similarity(a, b, model=none, on_error=none) -%}
    {{ return(inlay._call('try_ai_similarity', [a, b], {'model': model, 'on_error': on_error})) }}
{%- endmacro %}
