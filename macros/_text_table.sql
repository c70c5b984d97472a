{#-
description = "Lines of an aligned table; whole numbers with thousands marks, numbers to the right."
arguments = [
    ["columns", "list[string]", "headings"],
    ["rows", "list[any]", "one list of values per line"],
]
-#}
{% macro _text_table(columns, rows) -%}
    {%- set cells = [] -%}
    {%- for row in rows -%}
        {%- set line = [] -%}
        {%- for value in row -%}
            {%- if value is none -%}{%- do line.append('') -%}
            {%- elif value is integer -%}{%- do line.append('{:,}'.format(value)) -%}
            {%- else -%}{%- do line.append(value | string) -%}{%- endif -%}
        {%- endfor -%}
        {%- do cells.append(line) -%}
    {%- endfor -%}
    {%- set lines = [] -%}
    {%- for row in [columns] + cells -%}
        {%- set line = [] -%}
        {%- for value in row -%}
            {%- set column = loop.index0 -%}
            {%- set width = ([columns] + cells) | map(attribute=column) | map('length') | max -%}
            {%- set to_the_right = rows and rows[0][column] is number -%}
            {%- do line.append(('{:>' if to_the_right else '{:<') ~ width ~ '}') -%}
        {%- endfor -%}
        {%- do lines.append((line | join('  ')).format(*row) | trim) -%}
    {%- endfor -%}
    {{ return(lines) }}
{%- endmacro %}
