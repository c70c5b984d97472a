/*
summary = "Moves labels once towards the texts of a relation and keeps them under a name: CALL inlay_labels(…) as a statement of its own; gives one row about them."
args = [
    ["name", "VARCHAR", "name of the label set; calls then say ai_classify(body, model := 'head:topics'), or ai_predict(body, 'topics')"],
    ["relation", "VARCHAR", "the texts: the name of a table or view, or a query; no labelled rows are needed"],
]
options = [
    ["text", "VARCHAR", "NULL", "the column of the text; needed"],
    ["labels", "VARCHAR[] or STRUCT(label VARCHAR, description VARCHAR)[]", "NULL", "what to choose from; needed"],
    ["template", "VARCHAR", "NULL", "how a label becomes a sentence, e.g. 'This text is about {label}.'; default: the model's own"],
    ["model", "VARCHAR", "NULL", "registered embedding model; default: the configured one"],
]
returns = "TABLE"
cost = "tokens"
nulls = "rows without a text are left out"
example = "CALL inlay_labels('topics', 'tickets', text := 'body', labels := ['delivery', 'refund'])"
*/
CREATE MACRO inlay_labels(name, relation, text := NULL, labels := NULL, template := NULL, model := NULL) AS TABLE
    SELECT system.main._inlay_labels(name) AS head;
