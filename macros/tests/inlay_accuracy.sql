{#-
description = "Fails unless the answers are right often enough, beside labels that people gave. Of its one row, `problem` says why."
arguments = [
    ["model", "relation", "holds the answers"],
    ["column_name", "string", "the column of answers"],
    ["gold", "relation", "holds the right answers of some rows, drawn at random"],
    ["key", "string", "a column of both that finds the row; unique in gold"],
    ["gold_column", "optional[string]", "the column of right answers; the name of the tested column where left out. Rows without one are left out"],
    ["at_least", "optional[float]", "the accuracy that must be shown, between 0 and 1"],
    ["confidence", "optional[float]", "how sure; 0.95 passes a column that is less accurate than at_least in at most 5 of 100 draws of gold"],
    ["unanswered", "optional[string]", "'wrong' counts a row without an answer as wrong; 'skip' leaves it out, for columns that answer only what is sure"],
]
-#}
{#- Passes exactly when the lower bound of Clopper and Pearson (1934) reaches at_least: when so many right answers would
    come from a column of that accuracy in at most 1 - confidence of all draws. The binomial's logarithms are running
    sums over the rows' own numbers, so that any warehouse with `ln` and `exp` computes them. -#}
{% test inlay_accuracy(model, column_name, gold, key, gold_column=none, at_least=0.9, confidence=0.95, unanswered='wrong') -%}
{%- do inlay._check_share('inlay_accuracy', 'at_least', at_least) -%}
{%- do inlay._check_share('inlay_accuracy', 'confidence', confidence) -%}
{%- if unanswered not in ['wrong', 'skip'] -%}
    {%- do exceptions.raise_compiler_error(
        "inlay_accuracy: unanswered is '" ~ unanswered ~ "'; it must be 'wrong' or 'skip'."
    ) -%}
{%- endif -%}
with answered as (select * from {{ model }}),

judged as (
    {{ inlay._beside_gold(column_name, gold, key, gold_column) }}
    {%- if unanswered == 'skip' %}
    where answered.{{ column_name }} is not null
    {%- endif %}
),

counted as (select count(*) as n_rows, coalesce(sum(is_right), 0) as n_right from judged),

numbers as (
    select 0 as i
    union all
    select row_number() over (order by is_right) as i from judged
),

factorials as (select i, sum(ln(greatest(i, 1))) over (order by i) as ln_factorial from numbers),

-- How likely i or more right answers are where the accuracy is at_least.
tails as (
    select
        right_ones.i,
        sum(exp(
            all_ones.ln_factorial - right_ones.ln_factorial - wrong_ones.ln_factorial
            + right_ones.i * ln({{ at_least }}) + wrong_ones.i * ln(1 - {{ at_least }})
        )) over (order by right_ones.i desc) as likelihood
    from counted
    inner join factorials as all_ones on all_ones.i = counted.n_rows
    inner join factorials as right_ones on right_ones.i <= counted.n_rows
    inner join factorials as wrong_ones on wrong_ones.i = counted.n_rows - right_ones.i
),

needed as (select min(i) as n_right_needed from tails where likelihood <= 1 - {{ confidence }}),

figures as (
    select
        counted.n_rows,
        counted.n_right,
        needed.n_right_needed,
        case
            when repeated.n_keys > 0 then 'gold has a key twice'
            when counted.n_rows = 0 then 'no row of gold is found by its key'
            when needed.n_right_needed is null then 'gold has too few rows to show this accuracy'
            when counted.n_right < needed.n_right_needed then 'too few right answers'
        end as problem
    from counted
    cross join needed
    cross join ({{ inlay._repeated_keys(gold, key) }}) as repeated
)

select * from figures where problem is not null
{%- endtest %}
