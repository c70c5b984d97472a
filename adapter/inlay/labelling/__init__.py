"""Rows labelled by people: where their answers are kept, and the page that asks for them."""
