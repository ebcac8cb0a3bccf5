"""GLB with a skinned body."""
