{#- ai_extract(text, schema, instructions=none, max_tokens=none, model=none, on_error=none): SQL expression of type
    STRUCT, with a field for each of the schema's. -#}
{% macro ai_extract(text, schema, instructions=none, max_tokens=none, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('ai_extract', 'inlay')(
        text, schema, instructions=instructions, max_tokens=max_tokens, model=model, on_error=on_error
    )) }}
{%- endmacro %}

{% macro default__ai_extract(text, schema, instructions=none, max_tokens=none, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('ai_extract')) }}
{%- endmacro %}

{% macro duckdb__ai_extract(text, schema, instructions=none, max_tokens=none, model=none, on_error=none) -%}
    {%- set options = {'instructions': instructions, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error} -%}
    {{ return(inlay._call('ai_extract', [text], options, setting=('schema', schema))) }}
{%- endmacro %}
