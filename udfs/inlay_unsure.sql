/*
summary = "The rows that got no answer since attaching because it was not sure enough for the call's accuracy, the surest first, with the likeliest answer: what to look at, and what to label."
args = []
returns = "TABLE"
example = "FROM inlay_unsure()"
*/
