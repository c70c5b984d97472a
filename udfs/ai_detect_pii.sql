/*
summary = "Where personal data stands in a text: substr(text, start, length) is each piece."
args = [
    ["text", "VARCHAR", "the text"],
]
options = [
    ["categories", "VARCHAR[]", "NULL", "what to find; NULL means all that the rules find: email, card, iban, ip, phone, ssn, url, and with a language model names and addresses too"],
    ["max_tokens", "INTEGER", "NULL", "tokens that a language model's reply may have; NULL means its max_output_tokens"],
    ["model", "VARCHAR", "NULL", "'rules' (default): patterns and checksums, no model; a language model finds other categories as well, such as 'name'"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "STRUCT(category VARCHAR, start INTEGER, length INTEGER, text VARCHAR)[]"
model   = "rules"
nulls   = "NULL in any argument gives NULL; no model call"
pure    = true
cost    = "free with the rules, else tokens"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_detect_pii('Write to jo@example.com')"
*/
CREATE MACRO ai_detect_pii(text, categories := NULL, max_tokens := NULL, model := NULL, on_error := NULL) AS
    system.main.ai_detect_pii(text, {'categories': categories, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
