{#- Written by `make docs` from udfs/ai_embed.sql; edit there. -#}
{#- try_ai_embed(text, task=none, model=none, on_error=none, on_blank=none): SQL expression of type STRUCT(value
    FLOAT[], error VARCHAR, confidence DOUBLE, model VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_embed(text, task=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('try_ai_embed', 'inlay')(
        text, task=task, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_embed(text, task=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('try_ai_embed')) }}
{%- endmacro %}

{% macro duckdb__try_ai_embed(text, task=none, model=none, on_error=none, on_blank=none) -%}
    {%- set arguments = [text] -%}
    {%- set options = {'task': task, 'model': model, 'on_error': on_error, 'on_blank': on_blank} -%}
    {{ return(inlay._call('try_ai_embed', arguments, options)) }}
{%- endmacro %}
