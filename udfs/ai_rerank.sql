/*
summary = "How relevant a document is to a query, 0 to 1, read together by a cross-encoder."
args = [
    ["query", "VARCHAR", "what is searched"],
    ["document", "VARCHAR", "a candidate"],
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
example = "SELECT ai_rerank('reset password', 'How to change your password', model := 'my-reranker')"
*/
CREATE MACRO ai_rerank(query, document, model := NULL, on_error := NULL) AS
    system.main.ai_rerank(query, document, {'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
