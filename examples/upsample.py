"""Slow motion: four times as many frames, and the given ones stay as they are."""

import torch

import kinema as kn
from kinema.data.synthetic import perform

clip = perform("kick", seconds=2.0, fps=15.0, seed=1)
slow = kn.open("squad").upsample(clip, rate=4)
kn.save(slow.motion, "slow.bvh")
kept = bool(torch.equal(slow.motion.rotations[::4], clip.rotations))
print(f"{clip.frames} frames became {slow.motion.frames}; the given ones unchanged: {kept}")
