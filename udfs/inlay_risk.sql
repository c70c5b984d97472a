/*
summary = "Of each trained head, how often its surest answers were right, on labelled rows that it had not seen: coverage and accuracy, by a hundredth of the rows."
args = []
returns = "TABLE"
example = "FROM inlay_risk()"
*/
