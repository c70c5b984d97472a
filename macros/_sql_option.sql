{#-
description = "The SQL literal of an option: true or false, a number, a list of texts, a schema, or quoted text, by what the option takes."
arguments = [
    ["name", "string", "function that is called, for the message"],
    ["option", "string", "name of the option"],
    ["value", "any", "its value"],
]
-#}
{#- Text is quoted, numbers are written as they are. A number that came as text (from env_var or --vars) is refused,
    because quoted it would reach the function as a string. -#}
{% macro _sql_option(name, option, value) -%}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- set kinds = inlay._option_kinds() -%}
    {%- set function = name[4:] if name.startswith('try_') else name -%}
    {%- set kind = kinds.get(function ~ '.' ~ option, kinds.get(option, 'text')) -%}
    {%- if kind == 'questions' -%}
        {%- if value is not mapping and value is not string -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": " ~ option ~ " is '" ~ value ~ "'; it must be a mapping of names to questions, e.g. "
                ~ "{'team': {'choice': ['billing', 'delivery']}, 'refund': 'wants money back'}."
            ) -%}
        {%- endif -%}
        {{ return(inlay._sql_string(value if value is string else tojson(value))) }}
    {%- endif -%}
    {%- if kind == 'schema' -%}
        {{ return(inlay._sql_schema(name, value)) }}
    {%- endif -%}
    {%- if kind == 'labels' -%}
        {{ return(inlay._sql_labels(name, value)) }}
    {%- endif -%}
    {%- if kind == 'examples' -%}
        {{ return(inlay._sql_examples(name, value)) }}
    {%- endif -%}
    {%- if kind == 'texts' -%}
        {{ return(inlay._sql_texts(name, option, value)) }}
    {%- endif -%}
    {%- if kind == 'flag' -%}
        {%- if value is not boolean -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": " ~ option ~ " is '" ~ value ~ "'; it must be true or false."
            ) -%}
        {%- endif -%}
        {{ return(value | string | lower) }}
    {%- endif -%}
    {%- if kind == 'integer' -%}
        {%- if value is not integer -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": " ~ option ~ " is '" ~ value ~ "'; it must be a whole number, e.g. " ~ option
                ~ "=100. For text from env_var() or --vars, type: " ~ option ~ "=(value | int)."
            ) -%}
        {%- endif -%}
        {{ return(value | string) }}
    {%- endif -%}
    {%- if kind == 'number' -%}
        {%- if value is not number or value is boolean -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": " ~ option ~ " is '" ~ value ~ "'; it must be a number, e.g. " ~ option ~ "=0.3. "
                ~ "For text from env_var() or --vars, type: " ~ option ~ "=(value | float)."
            ) -%}
        {%- endif -%}
        {{ return(value | string) }}
    {%- endif -%}
    {%- if value is not string -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": " ~ option ~ " is '" ~ value ~ "'; it must be text, e.g. " ~ option ~ "='…'."
        ) -%}
    {%- endif -%}
    {{ return(inlay._sql_string(value)) }}
{%- endmacro %}
