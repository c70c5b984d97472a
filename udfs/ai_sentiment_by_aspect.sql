/*
summary = "What the writer feels about each aspect: positive, negative, neutral, mixed, or unknown where the text does not say."
args = [
    "text",
    ["aspects", "VARCHAR[]", "what to judge, e.g. ['battery', 'price']"],
]
options = ["language_model", "on_error", "on_blank"]
returns = "MAP(VARCHAR, VARCHAR)"
answer = "sentiment_by_aspect.bind"
language_model = true
nulls = "NULL text gives NULL; no model call"
example = "SELECT ai_sentiment_by_aspect('Great screen, poor battery.', ['screen', 'battery'])['battery']"
*/
