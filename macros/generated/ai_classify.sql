{#- Written by `make docs` from udfs/ai_classify.sql; edit there. -#}
{#- ai_classify(text, labels=none, template=none, examples=none, adapt=none, other=none, threshold=none, agreement=none,
    accuracy=none, calibration=none, probability=none, proxy=none, model=none, on_error=none, on_blank=none): SQL
    expression of type VARCHAR. -#}
{% macro ai_classify(
    text, labels=none, template=none, examples=none, adapt=none, other=none, threshold=none, agreement=none,
    accuracy=none, calibration=none, probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(adapter.dispatch('ai_classify', 'inlay')(
        text, labels=labels, template=template, examples=examples, adapt=adapt, other=other, threshold=threshold,
        agreement=agreement, accuracy=accuracy, calibration=calibration, probability=probability, proxy=proxy,
        model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_classify(
    text, labels=none, template=none, examples=none, adapt=none, other=none, threshold=none, agreement=none,
    accuracy=none, calibration=none, probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(inlay._unsupported('ai_classify')) }}
{%- endmacro %}

{% macro duckdb__ai_classify(
    text, labels=none, template=none, examples=none, adapt=none, other=none, threshold=none, agreement=none,
    accuracy=none, calibration=none, probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {%- set arguments = [text] -%}
    {%- set options = {
        'template': template, 'examples': examples, 'adapt': adapt, 'other': other, 'threshold': threshold,
        'agreement': agreement, 'accuracy': accuracy, 'calibration': calibration, 'probability': probability,
        'proxy': proxy, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('ai_classify', arguments, options, setting=('labels', labels))) }}
{%- endmacro %}
