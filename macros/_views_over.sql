{#-
description = "Names of the views that read a model, directly or through ephemeral models."
arguments = [["unique_id", "string", "the model"]]
-#}
{% macro _views_over(unique_id) -%}
    {%- set views = [] -%}
    {%- for node in graph.nodes.values() -%}
        {%- if node.resource_type == 'model' and unique_id in node.depends_on.nodes -%}
            {%- if node.config.materialized == 'view' -%}
                {%- do views.append(node.name) -%}
            {%- elif node.config.materialized == 'ephemeral' -%}
                {%- do views.extend(inlay._views_over(node.unique_id)) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(views) }}
{%- endmacro %}
