{#- Written by `make docs` from udfs/ai_translate.sql; edit there. -#}
{#- ai_translate(text, language, source=none, max_tokens=none, model=none, on_error=none, on_blank=none): SQL expression
    of type VARCHAR. -#}
{% macro ai_translate(text, language, source=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_translate', 'inlay')(
        text, language, source=source, max_tokens=max_tokens, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_translate(
    text, language, source=none, max_tokens=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(inlay._unsupported('ai_translate')) }}
{%- endmacro %}

{% macro duckdb__ai_translate(
    text, language, source=none, max_tokens=none, model=none, on_error=none, on_blank=none
) -%}
    {%- set arguments = [text, inlay._sql_option('ai_translate', 'language', language)] -%}
    {%- set options = {
        'source': source, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('ai_translate', arguments, options, blank='same')) }}
{%- endmacro %}
