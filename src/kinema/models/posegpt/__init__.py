"""PoseGPT: actions by tokens."""
