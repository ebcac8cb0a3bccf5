"""What a frame is as numbers for a model."""
