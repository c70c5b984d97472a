{#- try_ai_embed(text, task=none, model=none, on_error=none):
    SQL expression of type STRUCT with value FLOAT[] and error. -#}
{% macro try_ai_embed(text, task=none, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_embed', 'inlay')(text, task=task, model=model, on_error=on_error)) }}
{%- endmacro %}

{% macro default__try_ai_embed(text, task=none, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_embed')) }}
{%- endmacro %}

{% macro duckdb__try_ai_embed(text, task=none, model=none, on_error=none) -%}
    {{ return(inlay._call('try_ai_embed', [text], {'task': task, 'model': model, 'on_error': on_error})) }}
{%- endmacro %}
