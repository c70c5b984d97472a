"""Written questions about speed, memory and answers, each a program: `python -m bench [--short] [name …]`."""
