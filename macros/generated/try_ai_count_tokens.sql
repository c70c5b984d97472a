{#- Written by `make docs` from udfs/ai_count_tokens.sql; edit there. -#}
{#- try_ai_count_tokens(text, model=none, on_error=none): SQL expression of type STRUCT(value INTEGER, error VARCHAR,
    confidence DOUBLE, model VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_count_tokens(text, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_count_tokens', 'inlay')(text, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__try_ai_count_tokens(text, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_count_tokens')) }}
{%- endmacro %}

{% macro duckdb__try_ai_count_tokens(text, model=none, on_error=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {'model': model, 'on_error': on_error} -%}
    {{ return(inlay._call('try_ai_count_tokens', arguments, options, blank='ask')) }}
{%- endmacro %}
