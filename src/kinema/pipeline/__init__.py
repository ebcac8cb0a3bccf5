"""Pipelines: open a model or method by name, ask it the five verbs, train it, evaluate it."""
