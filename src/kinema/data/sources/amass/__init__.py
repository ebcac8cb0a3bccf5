"""AMASS, and the labels that BABEL gives to it."""
