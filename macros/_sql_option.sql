{#- _sql_option(name, option, value): the SQL literal of an option of the function `name`.
    Text is quoted, numbers are written as they are. A number that came as text (from env_var or --vars) is refused,
    because quoted it would reach the function as a string. -#}
{% macro _sql_option(name, option, value) -%}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- if option == 'schema' -%}
        {{ return(inlay._sql_schema(name, value)) }}
    {%- endif -%}
    {%- if option in ['aspects', 'categories', 'stop'] -%}
        {{ return(inlay._sql_texts(name, option, value)) }}
    {%- endif -%}
    {%- if option in ['max_tokens', 'max_words', 'seed'] -%}
        {%- if value is not integer -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": " ~ option ~ " is '" ~ value ~ "'; it must be a whole number, e.g. " ~ option
                ~ "=100. For text from env_var() or --vars, type: " ~ option ~ "=(value | int)."
            ) -%}
        {%- endif -%}
        {{ return(value | string) }}
    {%- endif -%}
    {%- if option in ['threshold', 'recall', 'precision', 'agreement', 'probability', 'temperature'] -%}
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
