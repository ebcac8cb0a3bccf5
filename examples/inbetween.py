"""The movement between two clips, and between the key frames of one."""

import kinema as kn
from kinema.data.synthetic import perform

walk, bow = (perform(action, seconds=2.0, fps=30.0, seed=1) for action in ("walk", "bow"))
model = kn.open("auto")  # the method that errs least; or "squad", or a model that completes

between = model.inbetween(walk, bow, frames=20, context=10, align=True)
kn.save(between.motion, "between.bvh")

keys = model.inbetween(walk, keys=[0, 15, 30, 45, 59])
kn.show(between, keys, title="In between", path="inbetween.html")
print(*keys.report.lines(), sep="\n")
