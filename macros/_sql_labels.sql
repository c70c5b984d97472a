{#-
description = "The SQL list of a classifier's labels."
arguments = [
    ["name", "string", "function that is called, for the message"],
    ["labels", "any", "list of texts or mappings, or a SQL expression"],
]
-#}
{#- labels: a list of texts, or of {'label': …, 'description': …}; a string is a SQL expression and stays as it is.
    One description makes all of them STRUCT(label, description), because a SQL list has one type. -#}
{% macro _sql_labels(name, labels) -%}
    {%- if labels is string -%}
        {{ return(labels) }}
    {%- endif -%}
    {%- if labels is mapping or labels is not iterable -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": labels is '" ~ labels ~ "'; it must be a list, e.g. ['bug', 'praise'] or "
            ~ "[{'label': 'bug', 'description': 'something does not work'}]."
        ) -%}
    {%- endif -%}
    {%- if not labels -%}
        {%- do exceptions.raise_compiler_error("inlay." ~ name ~ ": labels is empty; give at least one label.") -%}
    {%- endif -%}
    {%- set described = labels | select('mapping') | list | length > 0 -%}
    {%- set items = [] -%}
    {%- for entry in labels -%}
        {%- set label = entry.get('label') if entry is mapping else entry -%}
        {%- set description = entry.get('description') if entry is mapping else none -%}
        {%- if label is not string or (description is not none and description is not string)
            or (entry is mapping and (entry.keys() | list) | reject('in', ['label', 'description']) | list) -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": label " ~ loop.index ~ " is '" ~ entry ~ "'; it must be text or a mapping of "
                ~ "'label' and 'description'. In YAML put quotes around yes, no, on, off and numbers."
            ) -%}
        {%- endif -%}
        {%- if not described -%}
            {%- do items.append(inlay._sql_string(label)) -%}
        {%- else -%}
            {%- set described_as = 'NULL' if description is none else inlay._sql_string(description) -%}
            {%- do items.append(
                "{'label': " ~ inlay._sql_string(label) ~ ", 'description': " ~ described_as ~ '}'
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return('[' ~ items | join(', ') ~ ']') }}
{%- endmacro %}
