{#- ai_sentiment(text, model=none, on_error=none): SQL expression of type VARCHAR. -#}
{% macro ai_sentiment(text, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('ai_sentiment', 'inlay')(text, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__ai_sentiment(text, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('ai_sentiment')) }}
{%- endmacro %}

{% macro duckdb__ai_sentiment(text, model=none, on_error=none) -%}
    {{ return(inlay._call('ai_sentiment', [text], {'model': model, 'on_error': on_error})) }}
{%- endmacro %}
