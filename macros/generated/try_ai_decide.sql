{#- Written by `make docs` from udfs/ai_decide.sql; edit there. -#}
{#- try_ai_decide(text, questions, model=none, on_error=none, on_blank=none): SQL expression of type STRUCT(value
    VARCHAR, error VARCHAR, confidence DOUBLE, model VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_decide(text, questions, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('try_ai_decide', 'inlay')(
        text, questions, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_decide(text, questions, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('try_ai_decide')) }}
{%- endmacro %}

{% macro duckdb__try_ai_decide(text, questions, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {'model': model, 'on_error': on_error, 'on_blank': on_blank} -%}
    {{ return(inlay._call('try_ai_decide', arguments, options, setting=('questions', questions))) }}
{%- endmacro %}
