"""Formulas that several models share, each in one place."""
