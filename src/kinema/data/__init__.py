"""Where motion comes from, how it is cut into windows, and what is observed of each."""
