{#- Written by `make docs` from udfs/ai_count_tokens.sql; edit there. -#}
{#- ai_count_tokens(text, model=none, on_error=none): SQL expression of type INTEGER. -#}
{% macro ai_count_tokens(text, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('ai_count_tokens', 'inlay')(text, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__ai_count_tokens(text, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('ai_count_tokens')) }}
{%- endmacro %}

{% macro duckdb__ai_count_tokens(text, model=none, on_error=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {'model': model, 'on_error': on_error} -%}
    {{ return(inlay._call('ai_count_tokens', arguments, options, blank='ask')) }}
{%- endmacro %}
