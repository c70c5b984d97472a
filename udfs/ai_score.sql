/*
summary = "How well a text meets a criterion, 0 to 1."
args = [
    ["text", "VARCHAR", "the text"],
    ["criteria", "VARCHAR", "the criterion, e.g. 'urgent'"],
]
options = [
    ["model", "VARCHAR", "NULL", "registered model; NULL means the configured default"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "DOUBLE"
nulls   = "NULL in any argument gives NULL; no model call"
pure    = true
cost    = "tokens"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_score('HELP, it is burning', 'urgent')"
*/
CREATE MACRO ai_score(text, criteria, model := NULL, on_error := NULL) AS
    system.main.ai_score(text, criteria, {'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
