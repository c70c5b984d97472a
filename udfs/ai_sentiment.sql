/*
summary = "The feeling of a text: positive, negative, neutral or mixed."
args = ["text"]
options = ["model", "on_error"]
returns = "VARCHAR"
answer = "sentiment.bind"
scores = true
example = "SELECT ai_sentiment('love it')"
*/
