"""What each SQL function computes: from rows of text, through a model's numbers, to values.

One file per function. A file holds `bind`, which checks the options of a call once, and gives back the function
that answers its rows.
"""
