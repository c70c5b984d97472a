{#- Written by `make docs` from udfs/ai_sentiment_by_aspect.sql; edit there. -#}
{#- ai_sentiment_by_aspect(text, aspects, model=none, on_error=none, on_blank=none): SQL expression of type MAP(VARCHAR,
    VARCHAR). -#}
{% macro ai_sentiment_by_aspect(text, aspects, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_sentiment_by_aspect', 'inlay')(
        text, aspects, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_sentiment_by_aspect(text, aspects, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('ai_sentiment_by_aspect')) }}
{%- endmacro %}

{% macro duckdb__ai_sentiment_by_aspect(text, aspects, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {'model': model, 'on_error': on_error, 'on_blank': on_blank} -%}
    {{ return(inlay._call('ai_sentiment_by_aspect', arguments, options, setting=('aspects', aspects))) }}
{%- endmacro %}
