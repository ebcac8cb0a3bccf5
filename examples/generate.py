"""Motion from a word. Name a run folder or a shipped model that knows actions; else a tiny one is trained first."""

import sys

import kinema as kn

name = sys.argv[1] if len(sys.argv) > 1 else kn.train(kn.recipe("action-gan").tiny(), "runs/tiny-action-gan")
model = kn.open(name)
print(f"{model.name} knows {', '.join(model.actions)}")
clips = model.generate(model.actions[0], seconds=1.0, samples=3, seed=1)
kn.save(clips, "generated.npz")
kn.show(clips, title=model.actions[0], path="generated.html")
print(f"{clips.batch_shape[0]} clips of {clips.frames} frames: generated.npz, generated.html")
