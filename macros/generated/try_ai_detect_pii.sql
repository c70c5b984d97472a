{#- Written by `make docs` from udfs/ai_detect_pii.sql; edit there. -#}
{#- try_ai_detect_pii(text, categories=none, max_tokens=none, model=none, on_error=none, on_blank=none): SQL expression
    of type STRUCT(value STRUCT(category VARCHAR, start INTEGER, length INTEGER, text VARCHAR)[], error VARCHAR,
    confidence DOUBLE, model VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_detect_pii(text, categories=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('try_ai_detect_pii', 'inlay')(
        text, categories=categories, max_tokens=max_tokens, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_detect_pii(
    text, categories=none, max_tokens=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(inlay._unsupported('try_ai_detect_pii')) }}
{%- endmacro %}

{% macro duckdb__try_ai_detect_pii(text, categories=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {
        'categories': categories, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('try_ai_detect_pii', arguments, options)) }}
{%- endmacro %}
