{#-
description = "Stops a model whose result would be a view that calls inlay."
arguments = [["name", "string", "function that is called"]]
-#}
{#- Such a view is stored without complaint and then fails for every reader whose process has not attached inlay.
    An ephemeral model is pasted into its readers, so a view that reads one counts as well, and so does a data test
    that stores its failures as a view. -#}
{% macro _refuse_view(name) -%}
    {%- if model is not defined -%}
        {{ return('') }}
    {%- endif -%}
    {%- set views = [] -%}
    {%- if model.resource_type == 'model' -%}
        {%- if model.config.materialized == 'view' -%}
            {%- do views.append(model.name) -%}
        {%- elif model.config.materialized == 'ephemeral' -%}
            {%- do views.extend(inlay._views_over(model.unique_id)) -%}
        {%- endif -%}
        {%- set remedy = "put {{ config(materialized='table') }}, or 'incremental', at the top of '" ~ views[0] ~ "'" -%}
    {%- elif model.resource_type == 'test' and model.config.get('store_failures_as') == 'view' -%}
        {%- do views.append(model.name) -%}
        {%- set remedy = "set store_failures_as='table'" -%}
    {%- endif -%}
    {%- if views -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ " in " ~ model.resource_type ~ " '" ~ model.name ~ "': '" ~ views[0]
            ~ "' would become a view that calls inlay, and such a view fails for every reader without inlay "
            ~ "(\"Scalar Function with name " ~ name ~ " does not exist\"). Store the result instead: " ~ remedy ~ "."
        ) -%}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}
