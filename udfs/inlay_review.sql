/*
summary = "What got no answer, in this session and in every run in the store, each input once and best to look at first: what was not sure enough, with the likeliest answer, then what failed."
args = []
returns = "TABLE"
example = "FROM inlay_review()"
*/
