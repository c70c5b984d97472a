/*
summary = "The rows that got no answer since attaching, with the reason."
args = []
returns = "TABLE"
example = "FROM inlay_errors()"
*/
