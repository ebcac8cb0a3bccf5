"""What lies between keys."""
