{#- try_ai_extract_json(text, schema, instructions=none, max_tokens=none, model=none, on_error=none): SQL expression of
    type STRUCT with value VARCHAR and error. -#}
{% macro try_ai_extract_json(text, schema, instructions=none, max_tokens=none, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_extract_json', 'inlay')(
        text, schema, instructions=instructions, max_tokens=max_tokens, model=model, on_error=on_error
    )) }}
{%- endmacro %}

{% macro default__try_ai_extract_json(text, schema, instructions=none, max_tokens=none, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_extract_json')) }}
{%- endmacro %}

{% macro duckdb__try_ai_extract_json(text, schema, instructions=none, max_tokens=none, model=none, on_error=none) -%}
    {%- set options = {'instructions': instructions, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error} -%}
    {{ return(inlay._call('try_ai_extract_json', [text], options, setting=('schema', schema))) }}
{%- endmacro %}
