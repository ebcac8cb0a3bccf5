"""siMLPe: one future by a small MLP."""
