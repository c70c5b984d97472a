/*
summary = "What each call with targets promised, and by which sample: one row per question, of this session and of every run that used the result store."
args = []
returns = "TABLE"
example = "FROM inlay_certificates()"
*/
