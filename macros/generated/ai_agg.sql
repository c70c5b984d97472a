{#- Written by `make docs` from udfs/ai_agg.sql; edit there. -#}
{#- ai_agg(texts, instruction, max_tokens=none, model=none, on_error=none): SQL expression of type VARCHAR. -#}
{% macro ai_agg(texts, instruction, max_tokens=none, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('ai_agg', 'inlay')(
        texts, instruction, max_tokens=max_tokens, model=model, on_error=on_error
    )) }}
{%- endmacro %}

{% macro default__ai_agg(texts, instruction, max_tokens=none, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('ai_agg')) }}
{%- endmacro %}

{% macro duckdb__ai_agg(texts, instruction, max_tokens=none, model=none, on_error=none) -%}
    {%- set arguments = [texts, inlay._sql_option('ai_agg', 'instruction', instruction)] -%}
    {%- set options = {'max_tokens': max_tokens, 'model': model, 'on_error': on_error} -%}
    {{ return(inlay._call('ai_agg', arguments, options, is_aggregate=true)) }}
{%- endmacro %}
