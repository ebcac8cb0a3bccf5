"""Train a recipe, ask what was trained, and compare it with holding still. Seconds, on procedural motion."""

import kinema as kn
from kinema.data.synthetic import perform

run = kn.train(kn.recipe("simlpe").tiny(), "runs/tiny-simlpe")  # leave .tiny() out for the real thing

clip = perform("wave", seconds=3.0, fps=30.0, seed=99)  # nobody that it was trained on
past, truth = clip[:60], clip[60:69].points().positions
for name in (run, "zero-velocity"):
    model = kn.open(name)
    answer = model.forecast(past, seconds=0.3)
    error = 1000 * (answer.samples.one(0).points().positions - truth).norm(dim=-1).mean()
    print(f"{model.name}: {error:.0f} mm")
