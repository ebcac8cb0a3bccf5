"""A live page for all five verbs: open a motion, run a model, compare, save."""
