{#-
description = "Statements that comment the columns of a model's answers, see comment_columns."
arguments = [["node", "any", "a model that was built"], ["relation", "any", "what it was built as"]]
-#}
{% macro _column_comments(node, relation) -%}
    {%- set found = run_query(
        "select system.main._inlay_column_comments(" ~ inlay._sql_string(node.compiled_code) ~ ")"
    ).rows[0][0] -%}
    {%- set described = {} -%}
    {%- for name, column in node.columns.items() if column.description -%}
        {%- do described.update({name | lower: column.description ~ '\n'}) -%}
    {%- endfor -%}
    {%- set statements = [] -%}
    {%- for column, comment in fromjson(found).items() -%}
        {%- do statements.append(
            'comment on column ' ~ relation ~ '.' ~ adapter.quote(column) ~ ' is '
            ~ inlay._sql_string(described.get(column | lower, '') ~ comment)
        ) -%}
    {%- endfor -%}
    {{ return(statements) }}
{%- endmacro %}
