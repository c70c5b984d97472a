/*
summary = "One label for a text, always one of the given labels."
args = ["text", "labels"]
options = [
    "template",
    "examples",
    ["adapt", "BOOLEAN", "NULL", "true: the labels' vectors first move once towards the texts of the statement that are nearest to them; for embedding models, in planned statements; see docs/models.md"],
    ["other", "VARCHAR", "NULL", "the answer where the best score is below the threshold, e.g. 'something else'; see docs/models.md"],
    ["threshold", "DOUBLE", "NULL", "with other: the lowest best score of a label; a cosine for an embedding model, else a share of 1"],
    ["agreement", "DOUBLE", "NULL", "smallest share of rows that must have the model's own answer; a proxy may then answer; default: all; see docs/cascades.md"],
    "accuracy",
    "calibration",
    "probability",
    "proxy",
    "model",
    "on_error",
    "on_blank",
]
returns = "VARCHAR"
answer = "classify.bind"
scores = true
nulls = "NULL text gives NULL; NULL labels need a model with labels of its own"
example = "SELECT ai_classify('the app crashes', ['bug', 'praise'])"
*/
