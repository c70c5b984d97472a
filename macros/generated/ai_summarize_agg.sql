{#- Written by `make docs` from udfs/ai_summarize_agg.sql; edit there. -#}
{#- ai_summarize_agg(texts, max_words=none, max_tokens=none, model=none, on_error=none, on_blank=none): SQL expression
    of type VARCHAR. -#}
{% macro ai_summarize_agg(texts, max_words=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_summarize_agg', 'inlay')(
        texts, max_words=max_words, max_tokens=max_tokens, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_summarize_agg(texts, max_words=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('ai_summarize_agg')) }}
{%- endmacro %}

{% macro duckdb__ai_summarize_agg(texts, max_words=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [texts] -%}
    {%- set options = {
        'max_words': max_words, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('ai_summarize_agg', arguments, options, is_aggregate=true)) }}
{%- endmacro %}
