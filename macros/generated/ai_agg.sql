{#- Written by `make docs` from udfs/ai_agg.sql; edit there. -#}
{#- ai_agg(texts, instruction, max_tokens=none, model=none, on_error=none, on_blank=none): SQL expression of type
    VARCHAR. -#}
{% macro ai_agg(texts, instruction, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_agg', 'inlay')(
        texts, instruction, max_tokens=max_tokens, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_agg(texts, instruction, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('ai_agg')) }}
{%- endmacro %}

{% macro duckdb__ai_agg(texts, instruction, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [texts, inlay._sql_option('ai_agg', 'instruction', instruction)] -%}
    {%- set options = {'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'on_blank': on_blank} -%}
    {{ return(inlay._call('ai_agg', arguments, options, is_aggregate=true)) }}
{%- endmacro %}
