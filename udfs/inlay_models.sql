/*
summary = "The registered models: what each is for, where it comes from and whether it is here."
args = []
returns = "TABLE"
example = "FROM inlay_models()"
*/
