{#-
description = "For dbt run-operation, and for on-run-end: writes one HTML file that says what a run asked of models: rows, known, inferred and failed inputs, tokens, seconds and cost per dbt model, function and foundation model, and the failed rows with the reason. It opens without a network. In a run it is about that run; otherwise about the latest run in the result store. No model runs."
arguments = [
    ["path", "string", "the file; 'target/inlay_report.html' where none is given"],
    ["run", "optional[string]", "a run in the result store, by the beginning of its name"],
    ["inputs", "bool", "false leaves out the texts of failed rows"],
]
-#}
{% macro report(path='target/inlay_report.html', run=none, inputs=true) -%}
    {{ return(adapter.dispatch('report', 'inlay')(path, run, inputs)) }}
{%- endmacro %}

{% macro default__report(path='target/inlay_report.html', run=none, inputs=true) -%}
    {{ return(inlay._unsupported('report')) }}
{%- endmacro %}

{% macro duckdb__report(path='target/inlay_report.html', run=none, inputs=true) -%}
    {%- if not execute or flags.WHICH not in ['build', 'run', 'test', 'snapshot', 'retry', 'run-operation'] -%}
        {{ return('') }}
    {%- endif -%}
    {%- do run_query(
        "copy (select encode(system.main._inlay_report(" ~ inlay._sql_string(run or '') ~ ", "
        ~ ('true' if inputs else 'false') ~ ")) as page) to " ~ inlay._sql_string(path) ~ " (format blob)"
    ) -%}
    {%- do print("inlay: the report of the run is in " ~ path) -%}
    {{ return('') }}
{%- endmacro %}
