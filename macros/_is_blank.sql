{#-
description = "Whether a text is nothing but white space, of which no model is asked."
arguments = [
    ["text", "string", "SQL expression"],
    ["is_aggregate", "bool", "whether it is a text of each row of a group; then, whether all of them are blank"],
]
-#}
{#- The white space is that of adapter/inlay/functions/blanks.py. -#}
{% macro _is_blank(text, is_aggregate) -%}
    {%- set white = '[\\x09-\\x0d\\x1c-\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}]' -%}
    {%- set blank = "regexp_full_match((" ~ text ~ ")::varchar, '" ~ white ~ "*')" -%}
    {{ return('coalesce(bool_and(' ~ blank ~ '), false)' if is_aggregate else blank) }}
{%- endmacro %}
