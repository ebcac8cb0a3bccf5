"""Human3.6M: rotations, positions and keypoints of a camera."""
