"""Many files: local processes or Ray."""
