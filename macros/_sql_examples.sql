{#-
description = "The SQL of a call's examples: a list of STRUCT(text, label), or the text of a relation's name."
arguments = [
    ["name", "string", "function that is called, for the message"],
    ["examples", "any", "list of mappings with text and label, a relation such as ref('…'), or the text of a query"],
]
-#}
{% macro _sql_examples(name, examples) -%}
    {%- if examples is string or examples.identifier is defined -%}
        {{ return(inlay._sql_string(examples)) }}
    {%- endif -%}
    {%- set items = [] -%}
    {%- for example in (examples if examples is iterable and examples is not mapping else []) -%}
        {%- if example is not mapping or (example.keys() | sort | join(' ')) != 'label text' -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": example " ~ loop.index ~ " is '" ~ example
                ~ "'; it must be a mapping of 'text' and 'label'."
            ) -%}
        {%- endif -%}
        {%- set label = example.label -%}
        {%- if label is boolean -%}
            {%- set label = label | string | lower -%}
        {%- elif label is not number -%}
            {%- set label = inlay._sql_string(label) -%}
        {%- endif -%}
        {%- do items.append("{'text': " ~ inlay._sql_string(example.text) ~ ", 'label': " ~ label ~ '}') -%}
    {%- endfor -%}
    {%- if not items -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": examples is '" ~ examples ~ "'; it must be a list that is not empty, e.g. "
            ~ "[{'text': 'it broke', 'label': 'bug'}], or a relation with the columns text and label, e.g. ref('labelled')."
        ) -%}
    {%- endif -%}
    {{ return('[' ~ items | join(', ') ~ ']') }}
{%- endmacro %}
