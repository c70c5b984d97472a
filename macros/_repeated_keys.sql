{#-
description = "A SELECT of n_keys: how many values of the key are in more than one row."
arguments = [["relation", "relation", "is joined by the key"], ["key", "string", "a column"]]
-#}
{% macro _repeated_keys(relation, key) -%}
    select count(*) as n_keys
    from (select {{ key }} from {{ relation }} where {{ key }} is not null group by {{ key }} having count(*) > 1) as repeated
{%- endmacro %}
