{#-
description = "Fails where the labels of a column are surely spread otherwise than those of another relation, such as last month's. Its rows are the labels, with both shares."
arguments = [
    ["model", "relation", "holds the answers"],
    ["column_name", "string", "the column of labels"],
    ["compare_to", "relation", "holds the labels to compare with"],
    ["compare_column", "optional[string]", "its column of labels; the name of the tested column where left out"],
    ["at_most", "optional[float]", "the largest distance, between 0 and 1: the share of rows that would have to change their label"],
    ["confidence", "optional[float]", "how sure; with 0.95 two samples of equal spread fail in at most 5 of 100 cases, whatever at_most"],
]
-#}
{#- Total variation distance, less what chance can add to it: half of sqrt((labels - 1) / rows) for each sample on
    average, and sqrt(ln(1 / (1 - confidence)) * (1 / rows + 1 / rows) / 2) beyond that (McDiarmid 1989). A label that is
    NULL is a label of its own. -#}
{% test inlay_label_drift(model, column_name, compare_to, compare_column=none, at_most=0.1, confidence=0.95) -%}
{%- do inlay._check_share('inlay_label_drift', 'at_most', at_most) -%}
{%- do inlay._check_share('inlay_label_drift', 'confidence', confidence) -%}
{{ config(fail_calc='coalesce(max(case when surely_apart > ' ~ at_most ~ ' then n_labels else 0 end), 0)') }}
with labels as (
    select {{ column_name }} as label, 1 as is_here, 0 as is_there from {{ model }}
    union all
    select {{ compare_column or column_name }} as label, 0 as is_here, 1 as is_there from {{ compare_to }}
),

sizes as (select sum(is_here) as n_here, sum(is_there) as n_there from labels),

spread as (
    select
        label,
        1.0 * sum(is_here) / max(sizes.n_here) as share,
        1.0 * sum(is_there) / max(sizes.n_there) as compared_share,
        max(sizes.n_here) as n_here,
        max(sizes.n_there) as n_there
    from labels
    cross join sizes
    where sizes.n_here > 0 and sizes.n_there > 0
    group by label
),

apart as (
    select
        spread.*,
        count(*) over () as n_labels,
        sum(abs(share - compared_share)) over () / 2 as distance
    from spread
)

select
    label,
    share,
    compared_share,
    distance,
    distance
    - (sqrt((n_labels - 1.0) / n_here) + sqrt((n_labels - 1.0) / n_there)) / 2
    - sqrt(ln(1 / (1 - {{ confidence }})) * (1.0 / n_here + 1.0 / n_there) / 2) as surely_apart,
    n_labels
from apart
{%- endtest %}
