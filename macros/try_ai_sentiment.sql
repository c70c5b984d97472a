{#- try_ai_sentiment(text, model=none, on_error=none): SQL expression of type STRUCT with value VARCHAR and error. -#}
{% macro try_ai_sentiment(text, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_sentiment', 'inlay')(text, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__try_ai_sentiment(text, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_sentiment')) }}
{%- endmacro %}

{% macro duckdb__try_ai_sentiment(text, model=none, on_error=none) -%}
    {{ return(inlay._call('try_ai_sentiment', [text], {'model': model, 'on_error': on_error})) }}
{%- endmacro %}
