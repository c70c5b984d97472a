"""Answers within targets, most of them by a cheaper model."""
