"""What will this body do next? Give a BVH, or nothing for procedural motion."""

import sys

import kinema as kn
from kinema.data.synthetic import perform

clip = kn.load(sys.argv[1]) if len(sys.argv) > 1 else perform("walk", seconds=2.0, fps=30.0, seed=3)
answer = kn.open("simlpe-cmu").forecast(clip, seconds=0.4)
kn.save(answer.whole(), "forecast.bvh")  # what was observed and what comes next, on the clip's own skeleton
kn.show(answer, title="What comes next", path="forecast.html")
print(f"{answer.samples.frames} frames ahead: forecast.bvh, forecast.html")
for note in answer.notes:
    print(note)
