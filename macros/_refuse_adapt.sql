{#-
description = "Stops a model whose labels would move anew with each run, over rows of which some were answered before."
arguments = [
    ["name", "string", "function that is called"],
    ["form", "string", "value of the var inlay_form"],
]
-#}
{#- The labels of a call with adapt move towards the texts of its statement. Rows that an incremental model keeps were
    answered with other labels' vectors than the new ones. The stored form cannot know where they moved. -#}
{% macro _refuse_adapt(name, form) -%}
    {%- if form == 'stored' -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": adapt needs a call; with the var inlay_form = 'stored' the labels cannot move. Leave it out."
        ) -%}
    {%- endif -%}
    {%- if model is defined and model.config.materialized in ['incremental', 'inlay_incremental'] -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ " in model '" ~ model.name ~ "': adapt moves the labels towards the texts of each run, so an "
            ~ "incremental model would hold answers of different labels. Use materialized='table', or labels that moved "
            ~ "once: materialized='inlay_head' with labels=[…] in a model of its own, and model='head:…' here."
        ) -%}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}
