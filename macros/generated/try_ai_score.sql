{#- Written by `make docs` from udfs/ai_score.sql; edit there. -#}
{#- try_ai_score(text, criteria, levels=none, examples=none, model=none, on_error=none, on_blank=none): SQL expression
    of type STRUCT(value DOUBLE, error VARCHAR, confidence DOUBLE, model VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_score(text, criteria, levels=none, examples=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('try_ai_score', 'inlay')(
        text, criteria, levels=levels, examples=examples, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_score(text, criteria, levels=none, examples=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('try_ai_score')) }}
{%- endmacro %}

{% macro duckdb__try_ai_score(text, criteria, levels=none, examples=none, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [text, inlay._sql_option('try_ai_score', 'criteria', criteria)] -%}
    {%- set options = {
        'levels': levels, 'examples': examples, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('try_ai_score', arguments, options)) }}
{%- endmacro %}
