{#-
description = "The SQL literal of a schema."
arguments = [
    ["name", "string", "function that is called, for the message"],
    ["schema", "any", "mapping, list of names, or text"],
]
-#}
{#- Its fields stay in the order in which they are written.
    schema: a mapping of fields to questions (none: the name says it all); a list of names; JSON Schema as a mapping,
    which becomes its text, because no SQL struct holds lists of mixed values; or text, a SQL type or JSON Schema. Text
    is quoted: a SQL expression could not be told from a type. -#}
{% macro _sql_schema(name, schema) -%}
    {%- if schema is string and schema | trim -%}
        {{ return(inlay._sql_string(schema)) }}
    {%- endif -%}
    {%- if schema is string or schema is not iterable or not schema -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": schema is '" ~ schema ~ "'; it must be a mapping of fields to questions, e.g. "
            ~ "{'name': 'Who wrote it?'}, a list of names, JSON Schema, or text such as 'name VARCHAR, age INTEGER'."
        ) -%}
    {%- endif -%}
    {%- if schema is not mapping -%}
        {{ return(inlay._sql_texts(name, 'schema', schema)) }}
    {%- endif -%}
    {%- set fields = [] -%}
    {%- set others = [] -%}
    {%- for field, question in schema.items() -%}
        {%- if field is not string -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": field " ~ loop.index ~ " of schema is '" ~ field ~ "'; it must be text. "
                ~ "In YAML put quotes around yes, no, on, off and numbers."
            ) -%}
        {%- endif -%}
        {%- if question is string or question is none -%}
            {%- set asked = 'NULL' if question is none else inlay._sql_string(question) -%}
            {%- do fields.append(inlay._sql_string(field) ~ ': ' ~ asked) -%}
        {%- else -%}
            {%- do others.append(field) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(inlay._sql_string(tojson(schema)) if others else '{' ~ fields | join(', ') ~ '}') }}
{%- endmacro %}
