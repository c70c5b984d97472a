"""Models described, never loaded: from a name to the files, their content and their identity."""
