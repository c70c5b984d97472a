"""What keeps a reply within a grammar, token by token."""
