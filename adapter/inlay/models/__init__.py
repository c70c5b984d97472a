"""Models described, never loaded: from a name to where the files are, what they hold and what identifies them."""
