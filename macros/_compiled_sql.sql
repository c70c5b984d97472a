{#-
description = "The SQL that dbt compile wrote for a node; none where there is none."
arguments = [
    ["node", "any", "a node of dbt's graph"],
    ["target_path", "string", "dbt's target folder"],
]
-#}
{% macro _compiled_sql(node, target_path) -%}
    {%- set file = inlay._sql_string(target_path ~ '/compiled/' ~ node.package_name ~ '/' ~ node.original_file_path) -%}
    {%- if not run_query("select count(*) from glob(" ~ file ~ ")").rows[0][0] -%}
        {{ return(none) }}
    {%- endif -%}
    {{ return(run_query("select content from read_text(" ~ file ~ ")").rows[0][0]) }}
{%- endmacro %}
