{#- Written by `make docs` from udfs/ai_extract.sql; edit there. -#}
{#- try_ai_extract(text, schema, instructions=none, verbatim=none, max_tokens=none, model=none, on_error=none,
    on_blank=none): SQL expression of type STRUCT(value VARCHAR, error VARCHAR, confidence DOUBLE, model VARCHAR, cached
    BOOLEAN). -#}
{% macro try_ai_extract(
    text, schema, instructions=none, verbatim=none, max_tokens=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(adapter.dispatch('try_ai_extract', 'inlay')(
        text, schema, instructions=instructions, verbatim=verbatim, max_tokens=max_tokens, model=model,
        on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_extract(
    text, schema, instructions=none, verbatim=none, max_tokens=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(inlay._unsupported('try_ai_extract')) }}
{%- endmacro %}

{% macro duckdb__try_ai_extract(
    text, schema, instructions=none, verbatim=none, max_tokens=none, model=none, on_error=none, on_blank=none
) -%}
    {%- set arguments = [text] -%}
    {%- set options = {
        'instructions': instructions, 'verbatim': verbatim, 'max_tokens': max_tokens, 'model': model,
        'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('try_ai_extract', arguments, options, setting=('schema', schema))) }}
{%- endmacro %}
