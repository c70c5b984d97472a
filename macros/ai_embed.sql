{#-
arguments = [
    ["dim", "optional[int]", "width of the vector, e.g. 384: the column becomes FLOAT[384], which array functions and indexes need; another width is an error; none leaves FLOAT[]"],
]
-#}
{% macro ai_embed(text, task=none, model=none, on_error=none, on_blank=none, dim=none) -%}
    {{ return(adapter.dispatch('ai_embed', 'inlay')(text, task=task, model=model, on_error=on_error, on_blank=on_blank, dim=dim)) }}
{%- endmacro %}

{% macro default__ai_embed(text, task=none, model=none, on_error=none, on_blank=none, dim=none) -%}
    {{ return(inlay._unsupported('ai_embed')) }}
{%- endmacro %}

{% macro duckdb__ai_embed(text, task=none, model=none, on_error=none, on_blank=none, dim=none) -%}
    {%- set vector = inlay._call('ai_embed', [text], {'task': task, 'model': model, 'on_error': on_error, 'on_blank': on_blank}) -%}
    {%- if dim is none or not execute -%}
        {{ return(vector) }}
    {%- endif -%}
    {%- if dim is not integer or dim < 1 -%}
        {%- do exceptions.raise_compiler_error(
            "inlay.ai_embed: dim is '" ~ dim ~ "'; it must be the width of the model's vectors, e.g. dim=384."
        ) -%}
    {%- endif -%}
    {#- In CI without weights, INLAY_MODEL=fake, the vectors have the width that is asked for. -#}
    {%- if model is none and env_var('INLAY_MODEL', '') == 'fake' and var('inlay_form', 'call') != 'stored' -%}
        {%- set vector = 'list_resize(' ~ vector ~ ', ' ~ dim ~ ', 0)' -%}
    {%- endif -%}
    {{ return('cast(' ~ vector ~ ' as FLOAT[' ~ dim ~ '])') }}
{%- endmacro %}
