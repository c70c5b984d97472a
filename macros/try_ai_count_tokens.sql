{#- try_ai_count_tokens(text, model=none, on_error=none):
    SQL expression of type STRUCT with value INTEGER and error. -#}
{% macro try_ai_count_tokens(text, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_count_tokens', 'inlay')(text, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__try_ai_count_tokens(text, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_count_tokens')) }}
{%- endmacro %}

{% macro duckdb__try_ai_count_tokens(text, model=none, on_error=none) -%}
    {{ return(inlay._call('try_ai_count_tokens', [text], {'model': model, 'on_error': on_error})) }}
{%- endmacro %}
