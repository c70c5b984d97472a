/*
summary = "A text with its mistakes of spelling and grammar corrected, and nothing else changed."
args = ["text"]
options = ["max_tokens", "language_model", "on_error", "on_blank"]
returns = "VARCHAR"
answer = "rewrite.bind_fix_grammar"
blank = "same"
language_model = true
example = "SELECT ai_fix_grammar('He go home yesterday')"
*/
