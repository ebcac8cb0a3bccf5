"""Fill in the unknown frames of a clip: the verbs inbetween, upsample and repair."""
