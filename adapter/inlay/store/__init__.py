"""What is already known: results by content, so that nothing is inferred twice."""
