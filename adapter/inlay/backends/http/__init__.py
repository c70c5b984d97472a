"""Requests to a server: connections, limits, retries."""
