"""Trained weights: checkpoints, weights to start from, released checkpoints, the hub."""
