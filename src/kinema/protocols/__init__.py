"""Named benchmarks: which windows, which metrics, and the published rows to stand beside."""
