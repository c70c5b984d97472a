/*
summary = "One label for a text, always one of the given labels."
args = [
    ["text", "VARCHAR", "the text"],
    ["labels", "VARCHAR[] or STRUCT(label VARCHAR, description VARCHAR)[]", "what to choose from; NULL means the own labels of a classifier", "NULL"],
]
options = [
    ["template", "VARCHAR", "NULL", "how a label becomes a sentence, e.g. 'This text is about {label}.'; NULL means the model's own"],
    ["agreement", "DOUBLE", "NULL", "least share of rows whose answer must be the model's; a proxy may then answer. NULL means all: see docs/cascades.md"],
    ["probability", "DOUBLE", "NULL", "with which targets hold, over the draw of the sample; NULL means 0.95"],
    ["proxy", "VARCHAR", "NULL", "registered embedding model that stands in where it is sure; NULL means the configured default model"],
    ["model", "VARCHAR", "NULL", "registered model; NULL means the configured default"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "VARCHAR"
scores  = true
nulls   = "NULL text gives NULL; NULL labels need a model with labels of its own"
pure    = true
cost    = "tokens"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_classify('the app crashes', ['bug', 'praise'])"
*/
CREATE MACRO ai_classify(text, labels := NULL, template := NULL, agreement := NULL, probability := NULL, proxy := NULL, model := NULL, on_error := NULL) AS
    system.main.ai_classify(text, labels, {'template': template, 'agreement': agreement, 'probability': probability, 'proxy': proxy, 'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
