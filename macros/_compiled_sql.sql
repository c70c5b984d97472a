{#-
description = "The compiled SQL of a node, for run-operation; none where there is none. Stops where it is older than what it was compiled from."
arguments = [["node", "dict[string, any]", "of the graph"], ["target_path", "string", "dbt's target folder"]]
-#}
{#- By the times of files: of the node itself, of the project's macros and of dbt_project.yml. -#}
{% macro _compiled_sql(node, target_path) -%}
    {%- set file = inlay._sql_string(target_path ~ '/compiled/' ~ node.package_name ~ '/' ~ node.original_file_path) -%}
    {%- if not run_query("select count(*) from glob(" ~ file ~ ")").rows[0][0] -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set sources = [] -%}
    {%- for pattern in ['dbt_project.yml', node.original_file_path, 'macros/**/*.sql'] -%}
        {%- for row in run_query("select file from glob(" ~ inlay._sql_string(pattern) ~ ")").rows -%}
            {%- do sources.append(inlay._sql_string(row[0])) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if sources -%}
        {%- set changed = run_query(
            "select filename from read_text([" ~ sources | join(', ') ~ "]) where last_modified > "
            ~ "(select last_modified from read_text(" ~ file ~ ")) order by filename"
        ).rows -%}
        {%- if changed -%}
            {%- do exceptions.raise_compiler_error(
                "inlay: the compiled SQL of " ~ node.name ~ " is older than " ~ changed[0][0]
                ~ ". Type first: dbt compile"
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(run_query("select content from read_text(" ~ file ~ ")").rows[0][0]) }}
{%- endmacro %}
