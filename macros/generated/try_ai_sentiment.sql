{#- Written by `make docs` from udfs/ai_sentiment.sql; edit there. -#}
{#- try_ai_sentiment(text, levels=none, model=none, on_error=none): SQL expression of type STRUCT(value VARCHAR, error
    VARCHAR, confidence DOUBLE, scores MAP(VARCHAR, DOUBLE), model VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_sentiment(text, levels=none, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_sentiment', 'inlay')(text, levels=levels, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__try_ai_sentiment(text, levels=none, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_sentiment')) }}
{%- endmacro %}

{% macro duckdb__try_ai_sentiment(text, levels=none, model=none, on_error=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {'levels': levels, 'model': model, 'on_error': on_error} -%}
    {{ return(inlay._call('try_ai_sentiment', arguments, options)) }}
{%- endmacro %}
