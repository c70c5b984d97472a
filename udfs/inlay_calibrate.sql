/*
summary = "Calibrates a judging call from labelled rows, so that it takes an accuracy: CALL inlay_calibrate(…) as a statement of its own; gives one row about it."
args = [
    ["name", "VARCHAR", "name of the calibration; among those of heads"],
    ["relation", "VARCHAR", "the labelled rows: the name of a table or view, or a query; rows without a label are left out"],
]
options = [
    ["call", "VARCHAR", "NULL", "the call as it is written in SQL, over the columns of the relation; needed. Of ai_classify, ai_filter or ai_sentiment"],
    ["label", "VARCHAR", "NULL", "the column of the right answers; needed"],
    ["group", "VARCHAR", "NULL", "a column: rows with one value are never on both sides of a fold; default: rows with one text are not"],
]
returns = "TABLE"
cost = "tokens"
nulls = "rows without a label or a text are left out"
example = "CALL inlay_calibrate('sure_topics', 'labelled_rows', call := $$ai_classify(body, ['bug', 'praise'])$$, label := 'topic')"
*/
CREATE MACRO inlay_calibrate(name, relation, call := NULL, label := NULL, "group" := NULL) AS TABLE
    SELECT system.main._inlay_calibrate(name) AS head;
