"""BVH: read, check, write."""
