/*
summary = "Trains a head from labelled rows: CALL inlay_train(…) as a statement of its own; gives one row about it."
args = [
    ["name", "VARCHAR", "name of the head; calls then say ai_predict(body, 'intents'), or model := 'head:intents'"],
    ["relation", "VARCHAR", "the labelled rows: the name of a table or view, or a query; rows without a label are left out"],
]
options = [
    ["text", "VARCHAR or VARCHAR[]", "NULL", "the column of the text, or several; needed"],
    ["label", "VARCHAR", "NULL", "the column of the label; needed. A text, a list of texts, a whole number or a boolean is a class, a fraction a number to predict"],
    ["numeric", "VARCHAR or VARCHAR[]", "NULL", "columns of numbers that the head reads too; before DuckDB 2.0 its name needs the quotes"],
    ["categorical", "VARCHAR or VARCHAR[]", "NULL", "columns of few values that the head reads too"],
    ["group", "VARCHAR", "NULL", "a column: rows with one value are never on both sides of a fold; default: rows with one text are not; its name needs the quotes"],
    ["kind", "VARCHAR", "NULL", "'single', 'multi', 'ordinal' or 'regression'; default: by the type of the label"],
    ["levels", "VARCHAR[]", "NULL", "the labels from low to high; the head is then ordinal"],
    ["method", "VARCHAR", "NULL", "'logistic' (default), 'centroid' or 'knn'; of a regression 'ridge' (default) or 'knn'"],
    ["class_weight", "VARCHAR", "NULL", "'balanced': all classes weigh the same; default: all rows do"],
    ["merge_rare", "VARCHAR", "NULL", "the class that classes with fewer than five rows become; default: they are an error"],
    ["names", "BOOLEAN", "NULL", "false: the names of the classes are no examples; for names that say nothing"],
    ["model", "VARCHAR", "NULL", "registered embedding model whose vectors the head reads; default: the configured one"],
]
returns = "TABLE"
cost = "tokens"
nulls = "rows without a label or a text are left out"
example = "CALL inlay_train('intents', 'labelled_rows', text := 'body', label := 'intent')"
*/
CREATE MACRO inlay_train(name, relation, text := NULL, label := NULL, "numeric" := NULL, categorical := NULL, "group" := NULL, kind := NULL, levels := NULL, method := NULL, class_weight := NULL, merge_rare := NULL, names := NULL, model := NULL) AS TABLE
    SELECT system.main._inlay_train(name) AS head;
