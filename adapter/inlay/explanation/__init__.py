"""What a statement will ask of models, and what it will cost."""
