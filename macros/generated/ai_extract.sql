{#- Written by `make docs` from udfs/ai_extract.sql; edit there. -#}
{#- ai_extract(text, schema, instructions=none, verbatim=none, max_tokens=none, model=none, on_error=none,
    on_blank=none): SQL expression of type STRUCT. -#}
{% macro ai_extract(
    text, schema, instructions=none, verbatim=none, max_tokens=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(adapter.dispatch('ai_extract', 'inlay')(
        text, schema, instructions=instructions, verbatim=verbatim, max_tokens=max_tokens, model=model,
        on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_extract(
    text, schema, instructions=none, verbatim=none, max_tokens=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(inlay._unsupported('ai_extract')) }}
{%- endmacro %}

{% macro duckdb__ai_extract(
    text, schema, instructions=none, verbatim=none, max_tokens=none, model=none, on_error=none, on_blank=none
) -%}
    {%- set arguments = [text] -%}
    {%- set options = {
        'instructions': instructions, 'verbatim': verbatim, 'max_tokens': max_tokens, 'model': model,
        'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('ai_extract', arguments, options, setting=('schema', schema))) }}
{%- endmacro %}
