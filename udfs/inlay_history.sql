/*
summary = "The ledger of every run that used this result store, also of other processes: what each call of each statement did."
args = []
returns = "TABLE"
example = "FROM inlay_history()"
*/
