/*
summary = "A text in fewer words; a text that is too long for the model is read in parts, all of it."
args = ["text"]
options = ["max_words", "max_tokens", "language_model", "on_error", "on_blank"]
returns = "VARCHAR"
answer = "summarize.bind_summarize"
blank = "same"
language_model = true
example = "SELECT ai_summarize('The parcel came late, the box was torn, and one cup was broken.', max_words := 5)"
*/
