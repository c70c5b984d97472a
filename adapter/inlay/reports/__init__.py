"""What runs asked of models, as a page that a browser opens without a network."""
