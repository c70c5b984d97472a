"""Models behind an endpoint that speaks OpenAI's HTTP interface."""
