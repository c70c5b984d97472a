"""What keeps a result store small and sound."""
