{#-
description = "The text by which a result store knows a call."
arguments = [
    ["name", "string", "name of the SQL function"],
    ["options", "dict[string, any]", "Jinja values by option name"],
    ["setting", "optional[list[any]]", "'labels', 'schema' or 'aspects', and its value"],
]
-#}
{#- Letter for letter what call_text() of adapter/inlay/store/calls.py makes of the same call as it arrives from SQL:
    function, setting, options. Numbers are floats, because SQL does not keep 1 and 1.0 apart. A mapping is its JSON in
    a text, where its fields stay in order while the keys of the call are sorted. -#}
{% macro _call_text(name, options, setting) -%}
    {%- set said = {} -%}
    {%- for option, value in options.items() if value is not none and option != 'on_error' -%}
        {%- if value is number and value is not boolean -%}
            {%- do said.update({option: value | float}) -%}
        {%- else -%}
            {%- if option == 'examples' and value is not string -%}
                {%- set value = inlay._plain_examples(value) -%}
            {%- endif -%}
            {%- do said.update({option: tojson(value) if value is mapping else value}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set given = none if setting is none else setting[1] -%}
    {%- if given is mapping -%}
        {%- set given = tojson(given) -%}
    {%- elif given is not none and given is not string -%}
        {%- set entries = [] -%}
        {%- for entry in given -%}
            {%- do entries.append([entry.label, entry.get('description')] if entry is mapping else [entry, none]) -%}
        {%- endfor -%}
        {%- set given = entries -%}
    {%- endif -%}
    {%- set function = name[4:] if name.startswith('try_') else name -%}
    {{ return(tojson([function, given, said], sort_keys=true)) }}
{%- endmacro %}
