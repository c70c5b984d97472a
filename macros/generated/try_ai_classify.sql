{#- Written by `make docs` from udfs/ai_classify.sql; edit there. -#}
{#- try_ai_classify(text, labels=none, template=none, examples=none, adapt=none, other=none, threshold=none,
    agreement=none, accuracy=none, calibration=none, probability=none, proxy=none, model=none, on_error=none,
    on_blank=none): SQL expression of type STRUCT(value VARCHAR, error VARCHAR, confidence DOUBLE, scores MAP(VARCHAR,
    DOUBLE), model VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_classify(
    text, labels=none, template=none, examples=none, adapt=none, other=none, threshold=none, agreement=none,
    accuracy=none, calibration=none, probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(adapter.dispatch('try_ai_classify', 'inlay')(
        text, labels=labels, template=template, examples=examples, adapt=adapt, other=other, threshold=threshold,
        agreement=agreement, accuracy=accuracy, calibration=calibration, probability=probability, proxy=proxy,
        model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_classify(
    text, labels=none, template=none, examples=none, adapt=none, other=none, threshold=none, agreement=none,
    accuracy=none, calibration=none, probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(inlay._unsupported('try_ai_classify')) }}
{%- endmacro %}

{% macro duckdb__try_ai_classify(
    text, labels=none, template=none, examples=none, adapt=none, other=none, threshold=none, agreement=none,
    accuracy=none, calibration=none, probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {%- set arguments = [text] -%}
    {%- set options = {
        'template': template, 'examples': examples, 'adapt': adapt, 'other': other, 'threshold': threshold,
        'agreement': agreement, 'accuracy': accuracy, 'calibration': calibration, 'probability': probability,
        'proxy': proxy, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('try_ai_classify', arguments, options, setting=('labels', labels))) }}
{%- endmacro %}
