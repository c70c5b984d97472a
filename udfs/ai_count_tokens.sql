/*
summary = "How many tokens the model reads for a text, special tokens included, before any cut."
args = ["text"]
options = ["model", "on_error"]
returns = "INTEGER"
answer = "count_tokens.bind"
blank = "ask"
cost = "cpu"
example = "SELECT ai_count_tokens('hello world')"
*/
