/*
summary = "Every input that got no answer in any run that used this result store, with the reason; `inlay retry` tries them again."
args = []
returns = "TABLE"
example = "FROM inlay_failures()"
*/
