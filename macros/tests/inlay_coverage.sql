{#-
description = "Fails where too many rows that have a text have no answer. Its rows are those without an answer."
arguments = [
    ["model", "relation", "holds the answers"],
    ["column_name", "string", "the column of answers"],
    ["text", "string", "SQL over a row: the text that was asked about. Rows where it is NULL or blank are not counted"],
    ["at_least", "optional[float]", "share of the rows with a text that must have an answer, above 0; 1 for all of them"],
]
-#}
{% test inlay_coverage(model, column_name, text, at_least=1) -%}
{%- if at_least != 1 -%}{%- do inlay._check_share('inlay_coverage', 'at_least', at_least) -%}{%- endif -%}
{{ config(fail_calc='coalesce(max(case when answered_share < ' ~ at_least ~ ' then n_unanswered else 0 end), 0)') }}
with asked as (
    select *, avg(case when {{ column_name }} is null then 0.0 else 1.0 end) over () as answered_share
    from {{ model }}
    where {{ text }} is not null and not {{ inlay._is_blank(text, false) }}
)

select *, count(*) over () as n_unanswered from asked where {{ column_name }} is null
{%- endtest %}
