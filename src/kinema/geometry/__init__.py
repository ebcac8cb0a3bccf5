"""Pure functions on tensors with any leading batch axes: rotations, kinematics, frequency."""
