"""The example notebook runs top to bottom (taken: notebook helper)."""
