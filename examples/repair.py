"""A joint that leaps and an arm that is lost: found, and filled anew."""

from dataclasses import replace

import torch

import kinema as kn
from kinema.data.synthetic import perform

clip = perform("walk", seconds=3.0, fps=30.0, seed=2)
rotations = clip.rotations.clone()
rotations[20:22, clip.skeleton.index("l_elbow")] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
rotations[40:50, clip.skeleton.index("r_shoulder")] = torch.nan
broken = replace(clip, rotations=rotations)

done = kn.open("auto").repair(broken)
kn.save(done.motion, "repaired.bvh")
print(*done.report.lines(), sep="\n")
error = 100 * (done.motion.points().positions - clip.points().positions).norm(dim=-1).max()
print(f"no joint is further than {error:.1f} cm from where it was")
