{#-
description = "For dbt run-operation, after dbt compile: prints what the next run would ask of models, per node. No model runs."
arguments = [["target_path", "string", "dbt's target folder; 'target' where none is given"]]
-#}
{#- What the models are made from must have been built; `inlay plan`, on the command line, needs seeds and sources
    alone. -#}
{% macro plan(target_path='target') -%}
    {{ return(adapter.dispatch('plan', 'inlay')(target_path)) }}
{%- endmacro %}

{% macro default__plan(target_path='target') -%}
    {{ return(inlay._unsupported('plan')) }}
{%- endmacro %}

{% macro duckdb__plan(target_path='target') -%}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- set call = '(?i)\\b' ~ var('inlay_prefix', '') ~ '(try_)?ai_[a-z_]+ *[(]' -%}
    {%- set compiled = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.language == 'sql' -%}
        {%- set sql = inlay._compiled_sql(node, target_path) -%}
        {%- if sql is not none -%}{%- do compiled.append((node.unique_id, sql)) -%}{%- endif -%}
    {%- endfor -%}
    {%- if not compiled -%}
        {%- do exceptions.raise_compiler_error(
            "inlay.plan: there is no compiled SQL in " ~ target_path ~ "/compiled. Type first: dbt compile"
        ) -%}
    {%- endif -%}
    {%- set nodes = [] -%}
    {%- for id, sql in compiled if modules.re.search(call, sql) -%}
        {%- do nodes.append("{'id': " ~ inlay._sql_string(id) ~ ", 'sql': " ~ inlay._sql_string(sql) ~ "}") -%}
    {%- endfor -%}
    {%- do print(run_query("select system.main._inlay_plan([" ~ nodes | join(', ') ~ "])").rows[0][0]) -%}
    {{ return('') }}
{%- endmacro %}
