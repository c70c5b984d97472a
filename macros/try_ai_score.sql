{#- try_ai_score(text, criteria, model=none, on_error=none):
    SQL expression of type STRUCT with value DOUBLE and error. -#}
{% macro try_ai_score(text, criteria, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_score', 'inlay')(text, criteria, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__try_ai_score(text, criteria, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_score')) }}
{%- endmacro %}

{% macro duckdb__try_ai_score(text, criteria, model=none, on_error=none) -%}
    {%- set arguments = [text, inlay._sql_option('try_ai_score', 'criteria', criteria)] -%}
    {{ return(inlay._call('try_ai_score', arguments, {'model': model, 'on_error': on_error})) }}
{%- endmacro %}
