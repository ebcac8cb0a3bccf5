"""What every other package may import: errors, queries, atomic files, safe readers."""
