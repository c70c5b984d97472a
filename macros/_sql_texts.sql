{#-
description = "The SQL list of an option that takes a list of texts."
arguments = [
    ["name", "string", "function that is called, for the message"],
    ["option", "string", "name of the option"],
    ["texts", "list[string]", "its value"],
]
-#}
{% macro _sql_texts(name, option, texts) -%}
    {%- if texts is string or texts is mapping or texts is not iterable -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": " ~ option ~ " is '" ~ texts ~ "'; it must be a list of texts, e.g. " ~ option
            ~ "=['…', '…']."
        ) -%}
    {%- endif -%}
    {%- set items = [] -%}
    {%- for text in texts -%}
        {%- if text is not string -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": text " ~ loop.index ~ " of " ~ option ~ " is '" ~ text ~ "'; it must be text. "
                ~ "In YAML put quotes around yes, no, on, off and numbers."
            ) -%}
        {%- endif -%}
        {%- do items.append(inlay._sql_string(text)) -%}
    {%- endfor -%}
    {%- if not items -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": " ~ option ~ " is empty; give at least one text."
        ) -%}
    {%- endif -%}
    {{ return('[' ~ items | join(', ') ~ ']') }}
{%- endmacro %}
