{#-
description = "A SELECT over the CTE `answered` and the right answers of its rows, where there are some: its columns, and is_right, 1 or 0."
arguments = [
    ["column_name", "string", "the column of answers"],
    ["gold", "relation", "holds the right answers"],
    ["key", "string", "a column of both"],
    ["gold_column", "optional[string]", "the column of right answers, if it has another name"],
]
-#}
{% macro _beside_gold(column_name, gold, key, gold_column) -%}
    {%- set gold_answer = 'gold.' ~ (gold_column or column_name) -%}
    select answered.*, case when answered.{{ column_name }} = {{ gold_answer }} then 1 else 0 end as is_right
    from answered
    inner join {{ gold }} as gold on gold.{{ key }} = answered.{{ key }} and {{ gold_answer }} is not null
{%- endmacro %}
