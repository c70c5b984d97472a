{#- try_ai_classify_multi(text, labels=none, threshold=none, template=none, model=none, on_error=none):
    SQL expression of type STRUCT with value VARCHAR[] and error. -#}
{% macro try_ai_classify_multi(text, labels=none, threshold=none, template=none, model=none, on_error=none) -%}
    {{ return(adapter.dispatch('try_ai_classify_multi', 'inlay')(
        text, labels=labels, threshold=threshold, template=template, model=model, on_error=on_error
    )) }}
{%- endmacro %}

{% macro default__try_ai_classify_multi(text, labels=none, threshold=none, template=none, model=none, on_error=none) -%}
    {{ return(inlay._unsupported('try_ai_classify_multi')) }}
{%- endmacro %}

{% macro duckdb__try_ai_classify_multi(text, labels=none, threshold=none, template=none, model=none, on_error=none) -%}
    {%- set options = {'threshold': threshold, 'template': template, 'model': model, 'on_error': on_error} -%}
    {{ return(inlay._call('try_ai_classify_multi', [text], options, setting=('labels', labels))) }}
{%- endmacro %}
