"""Encoders in this process: vectors and logits."""
