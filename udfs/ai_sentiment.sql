/*
summary = "The feeling of a text: positive, negative, neutral or mixed."
args = [
    ["text", "VARCHAR", "the text"],
]
options = [
    ["model", "VARCHAR", "NULL", "registered model; NULL means the configured default"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "VARCHAR"
scores  = true
nulls   = "NULL in any argument gives NULL; no model call"
pure    = true
cost    = "tokens"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_sentiment('love it')"
*/
CREATE MACRO ai_sentiment(text, model := NULL, on_error := NULL) AS
    system.main.ai_sentiment(text, {'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
