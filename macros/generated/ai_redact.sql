{#- Written by `make docs` from udfs/ai_redact.sql; edit there. -#}
{#- ai_redact(text, categories=none, max_tokens=none, model=none, on_error=none, on_blank=none): SQL expression of type
    VARCHAR. -#}
{% macro ai_redact(text, categories=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_redact', 'inlay')(
        text, categories=categories, max_tokens=max_tokens, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_redact(text, categories=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('ai_redact')) }}
{%- endmacro %}

{% macro duckdb__ai_redact(text, categories=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {
        'categories': categories, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('ai_redact', arguments, options, blank='same')) }}
{%- endmacro %}
