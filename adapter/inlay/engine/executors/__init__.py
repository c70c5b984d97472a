"""Who answers what nobody knows: models in this process, models behind an endpoint, or a count of their work."""
