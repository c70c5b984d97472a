{#- Written by `make docs` from udfs/ai_sentiment.sql; edit there. -#}
{#- try_ai_sentiment(text, levels=none, examples=none, accuracy=none, calibration=none, probability=none, model=none,
    on_error=none, on_blank=none): SQL expression of type STRUCT(value VARCHAR, error VARCHAR, confidence DOUBLE, scores
    MAP(VARCHAR, DOUBLE), model VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_sentiment(
    text, levels=none, examples=none, accuracy=none, calibration=none, probability=none, model=none, on_error=none,
    on_blank=none
) -%}
    {{ return(adapter.dispatch('try_ai_sentiment', 'inlay')(
        text, levels=levels, examples=examples, accuracy=accuracy, calibration=calibration, probability=probability,
        model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_sentiment(
    text, levels=none, examples=none, accuracy=none, calibration=none, probability=none, model=none, on_error=none,
    on_blank=none
) -%}
    {{ return(inlay._unsupported('try_ai_sentiment')) }}
{%- endmacro %}

{% macro duckdb__try_ai_sentiment(
    text, levels=none, examples=none, accuracy=none, calibration=none, probability=none, model=none, on_error=none,
    on_blank=none
) -%}
    {%- set arguments = [text] -%}
    {%- set options = {
        'levels': levels, 'examples': examples, 'accuracy': accuracy, 'calibration': calibration,
        'probability': probability, 'model': model, 'on_error': on_error, 'on_blank': on_blank
    } -%}
    {{ return(inlay._call('try_ai_sentiment', arguments, options)) }}
{%- endmacro %}
