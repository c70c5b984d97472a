{#- Written by `make docs` from udfs/ai_predict.sql; edit there. -#}
{#- try_ai_predict(text, head, accuracy=none, probability=none, on_error=none, on_blank=none): SQL expression of type
    STRUCT(value VARCHAR, error VARCHAR, confidence DOUBLE, scores MAP(VARCHAR, DOUBLE), model VARCHAR, cached BOOLEAN).
    -#}
{% macro try_ai_predict(text, head, accuracy=none, probability=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('try_ai_predict', 'inlay')(
        text, head, accuracy=accuracy, probability=probability, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_predict(text, head, accuracy=none, probability=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('try_ai_predict')) }}
{%- endmacro %}

{% macro duckdb__try_ai_predict(text, head, accuracy=none, probability=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {'accuracy': accuracy, 'probability': probability, 'on_error': on_error, 'on_blank': on_blank} -%}
    {{ return(inlay._call('try_ai_predict', arguments, options, setting=('head', head))) }}
{%- endmacro %}
