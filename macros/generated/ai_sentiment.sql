{#- Written by `make docs` from udfs/ai_sentiment.sql; edit there. -#}
{#- ai_sentiment(text, levels=none, model=none, on_error=none): SQL expression of type VARCHAR. -#}
{% macro ai_sentiment(text, levels=none, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('ai_sentiment', 'inlay')(text, levels=levels, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__ai_sentiment(text, levels=none, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('ai_sentiment')) }}
{%- endmacro %}

{% macro duckdb__ai_sentiment(text, levels=none, model=none, on_error=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {'levels': levels, 'model': model, 'on_error': on_error} -%}
    {{ return(inlay._call('ai_sentiment', arguments, options)) }}
{%- endmacro %}
