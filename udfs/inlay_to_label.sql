/*
summary = "The rows most worth labelling, best first, each with its likely label: CALL inlay_to_label(…) as a statement of its own; input, likely, confidence."
args = [
    ["relation", "VARCHAR", "the rows: the name of a table or view, or a query; equal texts count once, and of more than 8,192 texts a sample is looked at"],
]
options = [
    ["text", "VARCHAR", "NULL", "the column of the text; needed"],
    ["labels", "VARCHAR[] or STRUCT(label VARCHAR, description VARCHAR)[]", "NULL", "what to choose from; NULL needs a model with labels of its own"],
    ["n", "INTEGER", "NULL", "how many rows; default: 50"],
    ["labelled", "VARCHAR", "NULL", "a relation with the columns text and label, of what is labelled already: such texts and their near duplicates are left out, and say what rows like them probably are"],
    ["model", "VARCHAR", "NULL", "what says which label is likely: an embedding, NLI or language model, or a head ('head:intents'); default: the configured one"],
]
returns = "TABLE"
cost = "tokens"
nulls = "rows without a text are left out"
example = "CALL inlay_to_label('tickets', text := 'body', labels := ['delivery', 'refund'])"
*/
CREATE MACRO inlay_to_label(relation, text := NULL, labels := NULL, n := NULL, labelled := NULL, model := NULL) AS TABLE
    SELECT system.main._inlay_to_label(relation) AS input;
