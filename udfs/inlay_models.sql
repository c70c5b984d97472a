/*
summary = "The registered models: what each is for, where it comes from and whether it is here."
args    = []
returns = "TABLE"
nulls   = "-"
pure    = false
cost    = "free"
example = "FROM inlay_models()"
*/
CREATE MACRO inlay_models() AS TABLE
    SELECT unnest(system.main._inlay_models(0), recursive := true);
