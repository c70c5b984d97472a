def model(dbt, session):
    dbt.config(materialized="table")
    texts = dbt.ref("texts")  # noqa: F841  DuckDB finds it by its name in the query below
    return session.sql(
        "select id, ai_classify(body, ['delivery', 'defect'], template := 'About {label}') as topic from texts"
    )
