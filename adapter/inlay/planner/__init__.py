"""SQL → plan: fewer rows for the models, the same answers. No model and no engine is known here."""
