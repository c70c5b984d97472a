"""Statements and their calls, answered."""
