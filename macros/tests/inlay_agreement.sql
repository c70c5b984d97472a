{#-
description = "Fails where two columns of answers, say of two models, agree on too few rows. Its rows are those that flip: all columns of the tested model, and other_answer."
arguments = [
    ["model", "relation", "holds the answers"],
    ["column_name", "string", "the column of answers"],
    ["compare_to", "relation", "holds the other answers; it may be the tested model"],
    ["key", "string", "a column of both that finds the row; unique in the latter"],
    ["compare_column", "optional[string]", "its column of answers; the name of the tested column where left out"],
    ["at_least", "optional[float]", "share of the rows found in both that must have the same answer, above 0; 1 for all of them"],
]
-#}
{#- NULL agrees with NULL alone. A key that is repeated is no row to compare, so it counts as one that flips. -#}
{% test inlay_agreement(model, column_name, compare_to, key, compare_column=none, at_least=0.95) -%}
{%- if at_least != 1 -%}{%- do inlay._check_share('inlay_agreement', 'at_least', at_least) -%}{%- endif -%}
{{ config(fail_calc='coalesce(max(case when agreement < ' ~ at_least ~ ' then n_flipped else 0 end), 0)') }}
with answered as (select * from {{ model }}),

others as (
    select {{ key }} as other_key, min({{ compare_column or column_name }}) as other_answer, count(*) as n_other_rows
    from {{ compare_to }}
    group by {{ key }}
),

paired as (
    select
        answered.*,
        others.other_answer,
        case
            when others.n_other_rows > 1 then 1
            when answered.{{ column_name }} = others.other_answer then 0
            when answered.{{ column_name }} is null and others.other_answer is null then 0
            else 1
        end as is_flipped
    from answered
    inner join others on others.other_key = answered.{{ key }}
),

shares as (select paired.*, 1 - avg(1.0 * is_flipped) over () as agreement from paired)

select shares.*, count(*) over () as n_flipped from shares where is_flipped = 1
{%- endtest %}
