{#- try_ai_summarize_agg(texts, max_words=none, max_tokens=none, model=none, on_error=none): SQL expression of type
    STRUCT with value VARCHAR and error, one for each group of rows. -#}
{% macro try_ai_summarize_agg(texts, max_words=none, max_tokens=none, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_summarize_agg', 'inlay')(
        texts, max_words=max_words, max_tokens=max_tokens, model=model, on_error=on_error
    )) }}
{%- endmacro %}

{% macro default__try_ai_summarize_agg(texts, max_words=none, max_tokens=none, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_summarize_agg')) }}
{%- endmacro %}

{% macro duckdb__try_ai_summarize_agg(texts, max_words=none, max_tokens=none, model=none, on_error=none) -%}
    {%- set options = {'max_words': max_words, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error} -%}
    {{ return(inlay._call('try_ai_summarize_agg', [texts], options, is_aggregate=true)) }}
{%- endmacro %}
