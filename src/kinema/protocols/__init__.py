"""Named benchmarks."""
