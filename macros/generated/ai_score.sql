{#- Written by `make docs` from udfs/ai_score.sql; edit there. -#}
{#- ai_score(text, criteria, levels=none, examples=none, model=none, on_error=none, on_blank=none): SQL expression of
    type DOUBLE. -#}
{% macro ai_score(text, criteria, levels=none, examples=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_score', 'inlay')(
        text, criteria, levels=levels, examples=examples, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_score(text, criteria, levels=none, examples=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('ai_score')) }}
{%- endmacro %}

{% macro duckdb__ai_score(text, criteria, levels=none, examples=none, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [text, inlay._sql_option('ai_score', 'criteria', criteria)] -%}
    {%- set options = {
        'levels': levels, 'examples': examples, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('ai_score', arguments, options)) }}
{%- endmacro %}
