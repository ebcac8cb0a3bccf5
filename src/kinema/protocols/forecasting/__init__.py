"""One future."""
