"""Motion files: load, save, sniff."""
