/*
summary = "Every label that fits a text, best first; an empty list when none does."
args = ["text", "labels"]
options = [
    ["threshold", "DOUBLE", "NULL", "lowest score that counts; an embedding model needs it, others default to 0.5"],
    "template",
    "model",
    "on_error",
    "on_blank",
]
returns = "VARCHAR[]"
answer = "classify_multi.bind"
scores = true
nulls = "NULL text gives NULL; NULL labels need a model with labels of its own"
example = "SELECT ai_classify_multi('late and broken', ['delivery', 'defect', 'praise'], threshold := 0.2)"
*/
