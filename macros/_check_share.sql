{#-
description = "Stops a test whose argument is no number between 0 and 1."
arguments = [
    ["test_name", "string", "for the message"],
    ["name", "string", "of the argument"],
    ["value", "any", "of the argument"],
]
-#}
{% macro _check_share(test_name, name, value) -%}
    {%- if value is not number or value is boolean or not 0 < value < 1 -%}
        {%- do exceptions.raise_compiler_error(
            test_name ~ ": " ~ name ~ " is '" ~ value ~ "'; it must be a number between 0 and 1, e.g. " ~ name ~ ": 0.9."
        ) -%}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}
