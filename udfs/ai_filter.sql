/*
summary = "Whether a statement holds for a text."
args = [
    ["text", "VARCHAR", "the text"],
    ["predicate", "VARCHAR", "the statement, e.g. 'the customer is angry'"],
]
options = [
    ["threshold", "DOUBLE", "NULL", "lowest score that is TRUE; an embedding model needs it, an NLI model defaults to 0.5"],
    ["model", "VARCHAR", "NULL", "registered model; NULL means the configured default"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "BOOLEAN"
nulls   = "NULL in any argument gives NULL, so a WHERE drops the row; no model call"
pure    = true
cost    = "tokens"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_filter('refund me now!', 'the customer wants money back', threshold := 0.3)"
*/
CREATE MACRO ai_filter(text, predicate, threshold := NULL, model := NULL, on_error := NULL) AS
    system.main.ai_filter(text, predicate, {'threshold': threshold, 'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
