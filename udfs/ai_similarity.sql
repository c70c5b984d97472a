/*
summary = "How close two texts are in meaning: the cosine of their vectors, -1 to 1."
args = [
    ["a", "VARCHAR", "a text"],
    ["b", "VARCHAR", "another text"],
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
example = "SELECT ai_similarity('my parcel is late', 'where is my order?')"
*/
CREATE MACRO ai_similarity(a, b, model := NULL, on_error := NULL) AS
    system.main.ai_similarity(a, b, {'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
