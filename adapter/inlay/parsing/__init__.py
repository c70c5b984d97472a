"""SQL text: words, calls, statements."""
