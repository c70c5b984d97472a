/*
summary = "What the writer feels about each aspect: positive, negative, neutral, mixed, or unknown where the text does not say."
args = [
    ["text", "VARCHAR", "the text"],
    ["aspects", "VARCHAR[]", "what to judge, e.g. ['battery', 'price']"],
]
options = [
    ["model", "VARCHAR", "NULL", "registered language model; NULL means language_model of the settings, or the default"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "MAP(VARCHAR, VARCHAR)"
language_model = true
nulls   = "NULL text gives NULL; no model call"
pure    = true
cost    = "tokens"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_sentiment_by_aspect('Great screen, poor battery.', ['screen', 'battery'])['battery']"
*/
CREATE MACRO ai_sentiment_by_aspect(text, aspects, model := NULL, on_error := NULL) AS
    system.main.ai_sentiment_by_aspect(text, aspects, {'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
