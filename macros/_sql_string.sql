{#-
description = "A SQL string literal with its quotes doubled, so that no text can end it early."
arguments = [["value", "any", "the text"]]
-#}
{% macro _sql_string(value) -%}
    {{ return("'" ~ (value | string | replace("'", "''")) ~ "'") }}
{%- endmacro %}
