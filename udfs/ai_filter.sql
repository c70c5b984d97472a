/*
summary = "Whether a statement holds for a text."
args = [
    ["text", "VARCHAR", "the text"],
    ["predicate", "VARCHAR", "the statement, e.g. 'the customer is angry'"],
]
options = [
    ["threshold", "DOUBLE", "NULL", "lowest score that is TRUE; an embedding model needs it, an NLI model defaults to 0.5"],
    ["recall", "DOUBLE", "NULL", "least share of the TRUE rows that must be found; a proxy may then say FALSE. NULL means all: see docs/cascades.md"],
    ["precision", "DOUBLE", "NULL", "least share of the rows given TRUE that must be right; a proxy may then say TRUE. NULL means all"],
    ["probability", "DOUBLE", "NULL", "with which targets hold, over the draw of the sample; NULL means 0.95"],
    ["proxy", "VARCHAR", "NULL", "registered embedding model that stands in where it is sure; NULL means the configured default model"],
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
CREATE MACRO ai_filter(text, predicate, threshold := NULL, recall := NULL, precision := NULL, probability := NULL, proxy := NULL, model := NULL, on_error := NULL) AS
    system.main.ai_filter(text, predicate, {'threshold': threshold, 'recall': recall, 'precision': precision, 'probability': probability, 'proxy': proxy, 'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
