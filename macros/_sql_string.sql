{#- _sql_string(value): a SQL string literal with its quotes doubled, so that no text can end it early. -#}
{% macro _sql_string(value) -%}
    {{ return("'" ~ (value | string | replace("'", "''")) ~ "'") }}
{%- endmacro %}
