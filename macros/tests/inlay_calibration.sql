{#-
description = "Fails where the probabilities that a model gives for its answers are not the shares that are right. `problem` says why."
arguments = [
    ["model", "relation", "holds the answers"],
    ["column_name", "string", "the column of answers"],
    ["probability", "string", "SQL over a row of the tested model: the probability of its answer, 0 to 1"],
    ["gold", "relation", "holds the right answers of some rows, drawn at random"],
    ["key", "string", "a column of both that finds the row; unique in gold"],
    ["gold_column", "optional[string]", "the column of right answers; the name of the tested column where left out"],
    ["at_most", "optional[float]", "the largest expected calibration error, between 0 and 1"],
    ["bins", "optional[integer]", "of equal width"],
]
-#}
{#- Expected calibration error (Guo et al. 2017): per bin of probabilities, how far the share of right answers is from
    their mean, weighted by rows. Chance alone adds about 0.4 * sqrt(bins / rows), so a few hundred rows are needed. -#}
{% test inlay_calibration(model, column_name, probability, gold, key, gold_column=none, at_most=0.1, bins=10) -%}
{%- do inlay._check_share('inlay_calibration', 'at_most', at_most) -%}
{%- if bins is not integer or bins < 1 -%}
    {%- do exceptions.raise_compiler_error("inlay_calibration: bins is '" ~ bins ~ "'; it must be a whole number from 1.") -%}
{%- endif -%}
with answered as (select *, {{ probability }} as inlay_probability from {{ model }}),

judged as (
    {{ inlay._beside_gold(column_name, gold, key, gold_column) }}
    where answered.{{ column_name }} is not null
),

binned as (
    select count(*) as n_rows, abs(sum(is_right) - sum(inlay_probability)) as distance
    from judged
    where inlay_probability between 0 and 1
    group by least(floor(inlay_probability * {{ bins }}), {{ bins - 1 }})
),

error as (select sum(distance) / sum(n_rows) as calibration_error from binned),

counted as (
    select
        count(*) as n_rows,
        avg(is_right) as accuracy,
        avg(inlay_probability) as mean_probability,
        sum(case when inlay_probability between 0 and 1 then 0 else 1 end) as n_no_probability
    from judged
),

figures as (
    select
        counted.n_rows,
        counted.accuracy,
        counted.mean_probability,
        error.calibration_error,
        case
            when repeated.n_keys > 0 then 'gold has a key twice'
            when counted.n_rows = 0 then 'no answered row of gold is found by its key'
            when counted.n_no_probability > 0 then 'an answer has no probability from 0 to 1'
            when error.calibration_error > {{ at_most }} then 'probabilities are not the shares that are right'
        end as problem
    from counted
    cross join error
    cross join ({{ inlay._repeated_keys(gold, key) }}) as repeated
)

select * from figures where problem is not null
{%- endtest %}
