"""SMRNet: many futures by diffusion."""
