{#- Written by `make docs` from udfs/ai_predict.sql; edit there. -#}
{#- ai_predict(text, head, accuracy=none, probability=none, on_error=none, on_blank=none): SQL expression of type
    STRUCT. -#}
{% macro ai_predict(text, head, accuracy=none, probability=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_predict', 'inlay')(
        text, head, accuracy=accuracy, probability=probability, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_predict(text, head, accuracy=none, probability=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('ai_predict')) }}
{%- endmacro %}

{% macro duckdb__ai_predict(text, head, accuracy=none, probability=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {'accuracy': accuracy, 'probability': probability, 'on_error': on_error, 'on_blank': on_blank} -%}
    {{ return(inlay._call('ai_predict', arguments, options, setting=('head', head))) }}
{%- endmacro %}
