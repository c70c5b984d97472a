{#-
description = "Refuses on a target that has no form of the function."
arguments = [["name", "string", "function that is called"]]
-#}
{#- Only when SQL is really rendered: parsing, listing and `dbt deps` must work whatever the target is. -#}
{% macro _unsupported(name) -%}
    {%- if execute -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": target type '" ~ target.type ~ "' is not supported; use a duckdb target. "
            ~ "The native AI functions of Snowflake, Databricks and BigQuery are not wired up yet; until then a project "
            ~ "can define its own " ~ target.type ~ "__" ~ name ~ " and put itself first in the search order of "
            ~ "`dispatch:` for macro_namespace inlay."
        ) -%}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}
