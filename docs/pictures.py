"""Draw the pictures of the pages, from the parts of the demo and from samples: `make pictures`. Look at them after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

import kinema as kn
from kinema.apps.demo.ahead import many_futures, one_best
from kinema.apps.demo.between import repaired
from kinema.apps.demo.part import Cast
from kinema.apps.demo.words import generated
from kinema.motion.edit import resample
from kinema.motion.motion import Motion, Points
from kinema.motion.retargeting import retarget
from kinema.pipeline.completion.complete import complete
from kinema.viz.layers import Layer, Panel
from kinema.viz.raster import strip
from kinema.viz.style import Role

FOLDER = Path(__file__).parent / "images"
HEIGHT, COLOURS = 240, 64


Strips = list[tuple[Panel, int]]


def panels() -> Iterator[tuple[str, Strips]]:
    """The name of each picture, and its strips from top to bottom with their numbers of poses."""
    cast = Cast({})
    yield "forecast", _nine([one_best(cast, 0)[2]])
    yield "futures", _nine(many_futures(cast, 0).section.panels[:2])
    yield "inbetween", _filled(resample(kn.sample("walk"), 30.0)[:81], 20)
    yield "upsample", _filled(resample(kn.sample("jump"), 30.0)[4:61], 8)
    yield "repair", _nine(repaired(cast, 0).section.panels[:2])
    yield "generate", _nine(generated(cast, 0).section.panels[:6])
    walk = resample(kn.sample("walk"), 30.0)[:90]
    other = retarget(walk, kn.skeleton("smpl24"))
    yield "retarget", _nine([_one(walk, "observed"), _one(other, "forecast")])


def _nine(shown: Sequence[Panel]) -> Strips:
    return [(panel, 9) for panel in shown]


def _one(clip: Motion | Points, role: Role) -> Panel:
    return Panel("", (Layer(role, clip.points(), role),))


def _filled(clip: Motion, every: int) -> Strips:
    """Keys, and the answer to them."""
    known = torch.zeros(clip.frames, dtype=torch.bool)
    known[::every] = True
    answer = complete(clip, known=known, method=kn.open("render-in-between").adapter).motion
    keys = replace(clip.points(), positions=clip.points().positions[known], fps=clip.fps / every)
    return [(_one(keys, "key"), int(known.sum())), (_one(answer, "forecast"), 2 * int(known.sum()) - 1)]


def main() -> None:
    """Draw all of them."""
    torch.set_num_threads(1)
    for name, shown in panels():
        rows = [strip(panel, count=count, height=HEIGHT) for panel, count in shown]
        width = max(row.width for row in rows)
        whole = Image.new("RGB", (width, HEIGHT * len(rows)), "white")
        for place, row in enumerate(rows):
            whole.paste(row, (0, HEIGHT * place))
        whole.quantize(COLOURS).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
