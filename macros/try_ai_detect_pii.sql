{#- try_ai_detect_pii(text, categories=none, max_tokens=none, model=none, on_error=none): SQL expression of type STRUCT
    with value STRUCT(category VARCHAR, start INTEGER, length INTEGER, text VARCHAR)[] and error. -#}
{% macro try_ai_detect_pii(text, categories=none, max_tokens=none, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_detect_pii', 'inlay')(
        text, categories=categories, max_tokens=max_tokens, model=model, on_error=on_error
    )) }}
{%- endmacro %}

{% macro default__try_ai_detect_pii(text, categories=none, max_tokens=none, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_detect_pii')) }}
{%- endmacro %}

{% macro duckdb__try_ai_detect_pii(text, categories=none, max_tokens=none, model=none, on_error=none) -%}
    {%- set options = {'categories': categories, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error} -%}
    {{ return(inlay._call('try_ai_detect_pii', [text], options)) }}
{%- endmacro %}
