"""What runs inside dbt, and ahead of it."""
