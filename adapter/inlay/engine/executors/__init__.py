"""Who answers what nobody knows: models in this process, models behind an endpoint, or a count of what they would do."""
