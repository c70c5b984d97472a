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
    {%- set found = run_query(
        "select system.main._inlay_column_comments(" ~ inlay._sql_string(model.compiled_code) ~ ")"
    ).rows[0][0] -%}
    {%- set described = {} -%}
    {%- for name, column in model.columns.items() if column.description -%}
        {%- do described.update({name | lower: column.description ~ '\n'}) -%}
    {%- endfor -%}
    {%- set statements = [] -%}
    {%- for column, comment in fromjson(found).items() -%}
        {%- do statements.append(
            'comment on column ' ~ this ~ '.' ~ adapter.quote(column) ~ ' is '
            ~ inlay._sql_string(described.get(column | lower, '') ~ comment)
        ) -%}
    {%- endfor -%}
    {{ return(statements | join('; ')) }}
{%- endmacro %}
