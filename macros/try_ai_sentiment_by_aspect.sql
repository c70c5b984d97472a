{#- try_ai_sentiment_by_aspect(text, aspects, model=none, on_error=none): SQL expression of type STRUCT with value
    MAP(VARCHAR, VARCHAR) and error. -#}
{% macro try_ai_sentiment_by_aspect(text, aspects, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_sentiment_by_aspect', 'inlay')(text, aspects, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__try_ai_sentiment_by_aspect(text, aspects, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_sentiment_by_aspect')) }}
{%- endmacro %}

{% macro duckdb__try_ai_sentiment_by_aspect(text, aspects, model=none, on_error=none) -%}
    {%- set options = {'model': model, 'on_error': on_error} -%}
    {{ return(inlay._call('try_ai_sentiment_by_aspect', [text], options, setting=('aspects', aspects))) }}
{%- endmacro %}
