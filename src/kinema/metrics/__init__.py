"""Measures of motion: pure functions of tensors, in SI units."""
