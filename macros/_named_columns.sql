{#-
description = "The two arguments of a call about several columns: a text of the columns that the statement names, and the statement without its braces."
arguments = [
    ["name", "string", "function that is called, for the message"],
    ["columns", "dict[string, string]", "SQL expressions by the names that the statement has for them"],
    ["statement", "string", "SQL literal of the statement, e.g. '{a} and {b} are the same product'"],
]
-#}
{#- Word for word what adapter/inlay/planner/row_calls.py makes of the same call. -#}
{% macro _named_columns(name, columns, statement) -%}
    {%- if name not in ['ai_filter', 'try_ai_filter'] -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": the text is a mapping, which ai_filter alone takes. Write the row in SQL: "
            ~ "inlay." ~ name ~ "(\"{'subject': subject, 'body': body}\", …)."
        ) -%}
    {%- endif -%}
    {%- set statement = statement[1:-1] | replace("''", "'") -%}
    {%- set parts, asked, named = [], [], [] -%}
    {%- for piece in modules.re.split('([{]{2}|[}]{2}|[{][^{}]*[}]|[{}])', statement) -%}
        {%- set column = piece[1:-1] -%}
        {%- if piece in ['{' * 2, '}' * 2] -%}
            {%- do asked.append(piece[0]) -%}
        {%- elif piece[:1] not in ['{', '}'] -%}
            {%- do asked.append(piece) -%}
        {%- elif column not in columns -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": '" ~ statement ~ "' names '" ~ column ~ "', which is none of the columns "
                ~ columns | join(', ') ~ ". A brace that is meant is doubled."
            ) -%}
        {%- else -%}
            {%- do asked.append(column) -%}
            {%- if column not in named -%}
                {%- set before = ('\n' if named else '') ~ column ~ ': ' -%}
                {%- do named.append(column) -%}
                {%- do parts.append(inlay._sql_string(before) ~ ' || (' ~ columns[column] ~ ')::VARCHAR') -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not named -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": '" ~ statement ~ "' names no column. Name them in braces: "
            ~ columns | join(', ') ~ "."
        ) -%}
    {%- endif -%}
    {{ return([parts | join(' || '), inlay._sql_string(asked | join(''))]) }}
{%- endmacro %}
