{#- _call(name, arguments, options): a call of one of inlay's SQL functions.
    arguments: SQL expressions, in order. options: Jinja values by name; one that is none is left out, so that the
    function's own default applies. The var inlay_prefix is the prefix that the plugin's config gives the functions.
    While dbt parses, values that come from a query are not there yet: nothing is checked and nothing is said. -#}
{% macro _call(name, arguments, options) -%}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- do inlay._refuse_view(name) -%}
    {%- set parts = [] -%}
    {%- for argument in arguments -%}
        {%- if argument is not string or not argument | trim -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": argument " ~ loop.index ~ " is '" ~ argument
                ~ "'; it must be a SQL expression in quotes, e.g. inlay." ~ name ~ "('body')."
            ) -%}
        {%- endif -%}
        {%- do parts.append(argument) -%}
    {%- endfor -%}
    {%- for option, value in options.items() if value is not none -%}
        {%- do parts.append(option ~ ' := ' ~ inlay._sql_option(name, option, value)) -%}
    {%- endfor -%}
    {{ return(var('inlay_prefix', '') ~ name ~ '(' ~ parts | join(', ') ~ ')') }}
{%- endmacro %}
