/*
summary = "The trained heads: current version, labelled rows, and how right they were on rows that they had not seen."
args = []
returns = "TABLE"
example = "FROM inlay_heads()"
*/
