"""One training loop for every system, and what it keeps on disk."""
