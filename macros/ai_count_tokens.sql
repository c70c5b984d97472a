{#- ai_count_tokens(text, model=none, on_error=none): SQL expression of type INTEGER. -#}
{% macro ai_count_tokens(text, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('ai_count_tokens', 'inlay')(text, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__ai_count_tokens(text, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('ai_count_tokens')) }}
{%- endmacro %}

{% macro duckdb__ai_count_tokens(text, model=none, on_error=none) -%}
    {{ return(inlay._call('ai_count_tokens', [text], {'model': model, 'on_error': on_error})) }}
{%- endmacro %}
