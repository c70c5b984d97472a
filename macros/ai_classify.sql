{#- ai_classify(text, labels=none, template=none, model=none, on_error=none): SQL expression of type VARCHAR. -#}
{% macro ai_classify(text, labels=none, template=none, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('ai_classify', 'inlay')(
        text, labels=labels, template=template, model=model, on_error=on_error
    )) }}
{%- endmacro %}

{% macro default__ai_classify(text, labels=none, template=none, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('ai_classify')) }}
{%- endmacro %}

{% macro duckdb__ai_classify(text, labels=none, template=none, model=none, on_error=none) -%}
    {%- set arguments = [text] -%}
    {%- if labels is not none -%}
        {%- do arguments.append(inlay._sql_labels('ai_classify', labels)) -%}
    {%- endif -%}
    {{ return(inlay._call('ai_classify', arguments, {'template': template, 'model': model, 'on_error': on_error})) }}
{%- endmacro %}
