{#-
description = "For a post_hook: writes into the comment of each column that holds a model's answers which call, model, fingerprint and precision they came from."
arguments = []
-#}
{#- They come after the column's own description. `dbt docs` and the catalog show the comment. -#}
{% macro comment_columns() -%}
    {{ return(adapter.dispatch('comment_columns', 'inlay')()) }}
{%- endmacro %}

{% macro default__comment_columns() -%}
    {{ return('') }}
{%- endmacro %}

{% macro duckdb__comment_columns() -%}
    {%- if not execute or var('inlay_form', 'call') != 'call' -%}
        {{ return('') }}
    {%- endif -%}
    {{ return(inlay._column_comments(model, this) | join('; ')) }}
{%- endmacro %}
