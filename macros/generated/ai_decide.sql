{#- Written by `make docs` from udfs/ai_decide.sql; edit there. -#}
{#- ai_decide(text, questions, model=none, on_error=none, on_blank=none): SQL expression of type STRUCT. -#}
{% macro ai_decide(text, questions, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_decide', 'inlay')(
        text, questions, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_decide(text, questions, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('ai_decide')) }}
{%- endmacro %}

{% macro duckdb__ai_decide(text, questions, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {'model': model, 'on_error': on_error, 'on_blank': on_blank} -%}
    {{ return(inlay._call('ai_decide', arguments, options, setting=('questions', questions))) }}
{%- endmacro %}
