{#-
description = "Examples as they stand in the text of a call: numbers are floats."
arguments = [["examples", "list[dict[string, any]]", "mappings with text and label"]]
-#}
{% macro _plain_examples(examples) -%}
    {%- set plain = [] -%}
    {%- for example in examples -%}
        {%- set label = example.label | float if example.label is number and example.label is not boolean else example.label -%}
        {%- do plain.append({'text': example.text, 'label': label}) -%}
    {%- endfor -%}
    {{ return(plain) }}
{%- endmacro %}
