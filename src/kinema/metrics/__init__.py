"""How far a motion is from the truth: pure functions of tensors, in SI units."""
