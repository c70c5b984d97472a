{#- Written by `make docs` from udfs/ai_summarize.sql; edit there. -#}
{#- ai_summarize(text, max_words=none, max_tokens=none, model=none, on_error=none, on_blank=none): SQL expression of
    type VARCHAR. -#}
{% macro ai_summarize(text, max_words=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_summarize', 'inlay')(
        text, max_words=max_words, max_tokens=max_tokens, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_summarize(text, max_words=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('ai_summarize')) }}
{%- endmacro %}

{% macro duckdb__ai_summarize(text, max_words=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {
        'max_words': max_words, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('ai_summarize', arguments, options, blank='same')) }}
{%- endmacro %}
