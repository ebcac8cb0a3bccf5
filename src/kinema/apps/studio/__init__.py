"""A live page for all five verbs: open a motion, ask, look, compare, take the answer away."""
