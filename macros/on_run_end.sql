{#-
description = "For on-run-end, once for a whole project: prints the account of the run (see log_account), writes the report of the run where the var inlay_report names a file (see report), comments the columns of answers in every table that was built (see comment_columns), and fails the run where too many inputs of a model got no answer. Reads the vars inlay_account, inlay_comments, inlay_report, inlay_max_failed_share, and a model's meta: {inlay: {comments: false, max_failed_share: 0.05}}."
arguments = [["results", "any", "dbt's own `results`"]]
-#}
{#- dbt gives `results` to the hook alone, so the hook hands them on. -#}
{% macro on_run_end(results) -%}
    {{ return(adapter.dispatch('on_run_end', 'inlay')(results)) }}
{%- endmacro %}

{#- Not a refusal: a project keeps its on-run-end line when it runs on a target where inlay does nothing. -#}
{% macro default__on_run_end(results) -%}
    {{ return('') }}
{%- endmacro %}

{% macro duckdb__on_run_end(results) -%}
    {%- if not execute or flags.WHICH not in ['build', 'run', 'test', 'snapshot', 'retry']
        or var('inlay_form', 'call') != 'call' -%}
        {{ return('') }}
    {%- endif -%}
    {%- if var('inlay_account', true) -%}{%- do inlay.log_account() -%}{%- endif -%}
    {%- set prefix = var('inlay_prefix', '') -%}
    {%- if var('inlay_report', none) and run_query("select count(*) from " ~ prefix ~ "inlay_ledger()").rows[0][0] -%}
        {%- do inlay.report(var('inlay_report')) -%}
    {%- endif -%}
    {%- set failed = {} -%}
    {%- for row in run_query(
        "select node, sum(failed)::bigint, sum(distinct_inputs)::bigint from " ~ prefix
        ~ "inlay_ledger() where node <> '' group by node having sum(failed) > 0"
    ).rows -%}
        {%- do failed.update({row[0]: (row[1] | int, row[2] | int)}) -%}
    {%- endfor -%}
    {%- set too_many = [] -%}
    {%- for result in results -%}
        {%- set node = result.node -%}
        {%- set own = node.config.get('meta', {}).get('inlay', {}) -%}
        {%- if var('inlay_comments', true) and own.get('comments', true) and result.status == 'success'
            and node.resource_type == 'model' and node.language == 'sql'
            and node.config.materialized not in ['view', 'ephemeral'] -%}
            {%- for statement in inlay._column_comments(node, node.relation_name) -%}
                {%- do run_query(statement) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- set at_most = own.get('max_failed_share', var('inlay_max_failed_share', none)) -%}
        {%- if at_most is not none and node.unique_id in failed -%}
            {%- set n_failed, n_inputs = failed[node.unique_id] -%}
            {%- if n_failed > at_most * n_inputs -%}
                {%- do too_many.append(
                    node.name ~ ': ' ~ n_failed ~ ' of ' ~ n_inputs ~ ' inputs got no answer, and at most '
                    ~ at_most ~ ' of them may'
                ) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if too_many -%}
        {%- do exceptions.raise_compiler_error(
            'inlay: ' ~ too_many | join('; ') ~ '. What was answered is kept. Why: the lines above, or, with a store, '
            ~ 'from ' ~ prefix ~ 'inlay_failures(). Ask again: inlay retry, then dbt build'
        ) -%}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}
