"""DuckDB as its users see it: connections, functions, relations."""
