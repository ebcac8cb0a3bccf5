"""Motion of an action."""
