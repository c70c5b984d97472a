/*
summary = "The labelled rows whose label is probably wrong, the surest first: CALL inlay_mislabelled(…) as a statement of its own; input, label, likely, confidence, label_confidence."
args = [
    ["relation", "VARCHAR", "the labelled rows: the name of a table or view, or a query; rows without a label are left out"],
]
options = [
    ["text", "VARCHAR or VARCHAR[]", "NULL", "the column of the text, or several; needed"],
    ["label", "VARCHAR", "NULL", "the column of the label, one class a row; needed"],
    ["numeric", "VARCHAR or VARCHAR[]", "NULL", "columns of numbers that are read too"],
    ["categorical", "VARCHAR or VARCHAR[]", "NULL", "columns of few values that are read too"],
    ["group", "VARCHAR", "NULL", "a column: rows with one value are never on both sides of a fold; default: rows with one text are not"],
    ["method", "VARCHAR", "NULL", "'logistic' (default), 'centroid' or 'knn'"],
    ["merge_rare", "VARCHAR", "NULL", "the class that classes with fewer than five rows become; default: they are an error"],
    ["model", "VARCHAR", "NULL", "registered embedding model whose vectors are read; default: the configured one"],
]
returns = "TABLE"
cost = "tokens"
nulls = "rows without a label or a text are left out"
example = "CALL inlay_mislabelled('labelled_rows', text := 'body', label := 'intent')"
*/
CREATE MACRO inlay_mislabelled(relation, text := NULL, label := NULL, "numeric" := NULL, categorical := NULL, "group" := NULL, method := NULL, merge_rare := NULL, model := NULL) AS TABLE
    SELECT system.main._inlay_mislabelled(relation) AS input;
