{#-
description = "For dbt run-operation, after dbt compile: prints how the statements of models will run, call by call: rows, distinct, known, to infer, tokens, what the planner does and why. No model runs."
arguments = [
    ["model", "optional[string]", "the name of one model"],
    ["select", "any", "names of models, with * for any letters, or tag:name; a list, or separated by spaces"],
    ["target_path", "string", "dbt's target folder; 'target' where none is given"],
]
-#}
{#- What the models are made from must have been built. -#}
{% macro explain(model=none, select=none, target_path='target') -%}
    {{ return(adapter.dispatch('explain', 'inlay')(model, select, target_path)) }}
{%- endmacro %}

{% macro default__explain(model=none, select=none, target_path='target') -%}
    {{ return(inlay._unsupported('explain')) }}
{%- endmacro %}

{% macro duckdb__explain(model=none, select=none, target_path='target') -%}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- set asked = model if model is not none else select -%}
    {%- if not asked -%}
        {%- do exceptions.raise_compiler_error(
            "inlay.explain: name a model. dbt run-operation inlay.explain --args '{model: my_model}'"
        ) -%}
    {%- endif -%}
    {%- set wanted = asked.split() if asked is string else asked -%}
    {%- set found = [] -%}
    {%- for each in wanted -%}
        {%- set pattern = '^' ~ modules.re.escape(each).replace('\\*', '.*') ~ '$' -%}
        {%- set n_before = found | length -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.language == 'sql' -%}
            {%- set is_meant = each[4:] in node.tags if each[:4] == 'tag:'
                else modules.re.match(pattern, node.name) or modules.re.match(pattern, node.unique_id) -%}
            {%- if is_meant and node not in found -%}{%- do found.append(node) -%}{%- endif -%}
        {%- endfor -%}
        {%- if found | length == n_before -%}
            {%- do exceptions.raise_compiler_error("inlay.explain: no model is named " ~ inlay._sql_string(each)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for node in found -%}
        {%- set sql = inlay._compiled_sql(node, target_path) -%}
        {%- if sql is none -%}
            {%- do exceptions.raise_compiler_error(
                "inlay.explain: there is no compiled SQL of " ~ node.name ~ " in " ~ target_path
                ~ "/compiled. Type first: dbt compile"
            ) -%}
        {%- endif -%}
        {%- do print(node.unique_id ~ '\n\n' ~ run_query("explain " ~ sql).rows[0][1] ~ '\n') -%}
    {%- endfor -%}
    {{ return('') }}
{%- endmacro %}
