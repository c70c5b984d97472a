/*
summary = "The feeling of a text: positive, negative or neutral; with four levels mixed too."
args = ["text"]
options = [
    ["levels", "INTEGER", "NULL", "3: positive, negative, neutral; 4: mixed too; default: 3 for an embedding model and a language model in this process, which do not tell mixed from the others, 4 otherwise"],
    "examples",
    "accuracy",
    "calibration",
    "probability",
    "model",
    "on_error",
    "on_blank",
]
returns = "VARCHAR"
answer = "sentiment.bind"
scores = true
example = "SELECT ai_sentiment('love it')"
*/
