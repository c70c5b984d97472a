{#-
description = "A call of one of inlay's SQL functions, or a lookup of stored answers; options that are none are left out. Reads the vars inlay_form and inlay_prefix."
arguments = [
    ["name", "string", "name of the SQL function"],
    ["texts", "list[any]", "SQL expressions, in order; of ai_filter the first may be a mapping of names to them, which the statement names"],
    ["options", "dict[string, any]", "Jinja values by option name; of a calibration also ref('…')"],
    ["setting", "optional[list[any]]", "'labels', 'schema', 'aspects' or 'head', and its value, of a head also ref('…'); none where the function has no such argument"],
    ["is_aggregate", "bool", "whether the first text is one of each row of a group"],
    ["blank", "string", "what a blank text gives: 'null', 'same' or 'ask'"],
]
-#}
{#- With the var inlay_form = 'stored', a call is a lookup of what it answered before (see _stored).
    An option that is none is left out, so that the function's own default applies. setting: the argument after the
    first text that says how every row is to be answered. The var inlay_prefix is the prefix that the plugin's config
    gives the functions.
    While dbt parses, values that come from a query are not there yet: nothing is checked and nothing is said. -#}
{% macro _call(name, texts, options, setting=none, is_aggregate=false, blank='null') -%}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- set form = var('inlay_form', 'call') -%}
    {%- if form not in ['call', 'stored', 'infer'] -%}
        {%- do exceptions.raise_compiler_error(
            "inlay: the var inlay_form is '" ~ form ~ "'; it must be 'call' (a function of inlay's plugin) or 'stored' "
            ~ "(a lookup in the result store, plain SQL)."
        ) -%}
    {%- endif -%}
    {#- 'infer' is how `inlay infer` compiles a project: as calls, of views too, which it only reads. -#}
    {%- if form == 'call' -%}
        {%- do inlay._refuse_view(name) -%}
    {%- endif -%}
    {%- if options.get('adapt') -%}
        {%- do inlay._refuse_adapt(name, form) -%}
    {%- endif -%}
    {%- if form == 'stored' and options.get('examples') is not none
        and (options.examples is string or options.examples.identifier is defined) -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": examples is a relation, and the stored form cannot know its rows. Give a list in Jinja, "
            ~ "or use a call (the var inlay_form = 'call')."
        ) -%}
    {%- endif -%}
    {%- if setting is not none and setting[0] == 'head' and setting[1] is not string -%}
        {%- set setting = ('head', setting[1].identifier) -%}
    {%- endif -%}
    {%- if options.get('calibration') is not none and options.calibration is not string -%}
        {%- do options.update({'calibration': options.calibration.identifier}) -%}
    {%- endif -%}
    {%- if texts and texts[0] is mapping -%}
        {%- set texts = inlay._named_columns(name, texts[0], texts[1]) -%}
    {%- endif -%}
    {%- set parts = [] -%}
    {%- for text in texts -%}
        {%- if text is not string or not text | trim -%}
            {%- do exceptions.raise_compiler_error(
                "inlay." ~ name ~ ": argument " ~ loop.index ~ " is '" ~ text
                ~ "'; it must be a SQL expression in quotes, e.g. inlay." ~ name ~ "('body')."
            ) -%}
        {%- endif -%}
        {%- do parts.append(text) -%}
        {%- if loop.first and setting is not none -%}
            {%- set said, value = setting -%}
            {%- if said != 'labels' or value is not none -%}
                {%- do parts.append(inlay._sql_option(name, said, value)) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set named = [] -%}
    {%- for option, value in options.items() if value is not none -%}
        {#- DuckDB before 2.0 reads precision as a keyword unless it is quoted. -#}
        {%- set option_name = '"precision"' if option == 'precision' else option -%}
        {%- do named.append(option_name ~ ' := ' ~ inlay._sql_option(name, option, value)) -%}
    {%- endfor -%}
    {%- if form == 'stored' -%}
        {{ return(inlay._stored(name, texts, options, setting, is_aggregate, blank)) }}
    {%- endif -%}
    {{ return(var('inlay_prefix', '') ~ name ~ '(' ~ (parts + named) | join(', ') ~ ')') }}
{%- endmacro %}
