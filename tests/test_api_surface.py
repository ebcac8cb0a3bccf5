"""The Python API is frozen: names and signatures as they stand here. A change here is a change for every user."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import kinema as kn
from kinema.data.synthetic import perform

NAMES = [
    "Answer", "Batch", "Completed", "Forecaster", "Ground", "KinemaError", "Loop", "Motion", "Pin", "Pipeline", "Plant",
    "Points", "Pose", "Query", "RootPath", "Shown", "Skeleton", "__version__", "evaluate", "load", "meet", "onnx",
    "open", "recipe", "resample", "sample", "save", "show", "skeleton", "train",
]  # fmt: skip
SIGNATURES = {
    "load": "(path: 'Path | str', *, format: 'str | None' = None, fps: 'float | None' = None,"
    " unit: 'float | None' = None, skeleton: 'Skeleton | None' = None, up: 'UpAxis | None' = None,"
    " person: 'str | None' = None) -> 'Motion'",
    "save": "(clip: 'Clip', path: 'Path | str', *, format: 'str | None' = None, rest: 'Rest' = 'auto', "
    "blender: 'Path | str | None' = None) -> 'None'",
    "sample": "(name: 'str') -> 'Motion'",
    "open": "(name: 'str | Path' = 'auto') -> 'Pipeline'",
    "show": "(*what: 'Drawable | Answer | Completed', title: 'str' = 'motion', path: 'Path | str | None' = None)"
    " -> 'Shown'",
    "evaluate": "(model: 'str | Path | Evaluated', protocol: 'str', data: 'Path | str | None' = None,"
    " answers: 'Path | None' = None, classifier: 'Path | None' = None) -> 'Report'",
    "Pipeline.forecast": "(self, clip: 'Motion', *, seconds: 'float | None' = None, samples: 'int' = 1,"
    " seed: 'int' = 0, hold: 'Sequence[str]' = (), end: 'Motion | None' = None,"
    " feet: 'Feet | None' = None, constraints: 'Sequence[Constraint]' = ()) -> 'Answer'",
    "Pipeline.inbetween": "(self, first: 'Motion', second: 'Motion | None' = None, *, frames: 'int | None' = None,"
    " keys: 'Iterable[int] | None' = None, context: 'int' = 0, align: 'bool' = False, key_mode: 'Keys' = 'exact',"
    " samples: 'int' = 1, seed: 'int' = 0, feet: 'bool' = False,"
    " constraints: 'Sequence[Constraint]' = ()) -> 'Completed'",
    "Pipeline.upsample": "(self, clip: 'Clip', *, rate: 'float | None' = None, fps: 'float | None' = None,"
    " key_mode: 'Keys' = 'exact', seed: 'int' = 0, feet: 'bool' = False) -> 'Completed'",
    "Pipeline.repair": "(self, clip: 'Clip', *, frames: 'Iterable[int] | None' = None, strength: 'float' = 1.0,"
    " key_mode: 'Keys' = 'exact', seed: 'int' = 0, feet: 'bool' = False) -> 'Completed'",
    "Pipeline.generate": "(self, action: 'str | Mapping[str, float] | Schedule', *, seconds: 'float | None' = None,"
    " samples: 'int' = 1, seed: 'int' = 0, feet: 'Feet | None' = None,"
    " constraints: 'Sequence[Constraint]' = ()) -> 'Clip'",
    "Shown.save": "(self, path: 'Path | str') -> 'None'",
}  # fmt: skip
WALK = perform("walk", seconds=1.2, fps=30.0, seed=1)


def test_the_names_are_these() -> None:
    assert sorted(kn.__all__) == sorted(NAMES)
    assert all(getattr(kn, name) is not None for name in NAMES)


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_signatures_are_these(name: str) -> None:
    found: object = kn
    for part in name.split("."):
        found = getattr(found, part)
    assert callable(found)
    assert str(inspect.signature(found)) == SIGNATURES[name]


def test_importing_kinema_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, kinema as kn; dir(kn); assert not {'torch', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_forecast_continues_where_the_clip_ends() -> None:
    answer = kn.open("simlpe-cmu").forecast(WALK, seconds=0.4)
    assert answer.whole().frames == WALK.frames + 12
    assert kn.open("zero-velocity").verbs == ("forecast",)


def test_inbetween_keeps_its_keys() -> None:
    model = kn.open("squad")
    done = model.inbetween(WALK, keys=[0, 10, 35])
    for key in (0, 10, 35):
        assert torch.equal(done.motion[key : key + 1].rotations, WALK[key : key + 1].rotations)
    between = model.inbetween(WALK[:10], WALK[20:], frames=10, context=4)
    assert between.motion.frames == 5 + 10 + 5


def test_upsample_repair_and_their_methods() -> None:
    auto = kn.open()
    assert auto.upsample(WALK, rate=2).motion.frames == 2 * WALK.frames - 1
    assert auto.upsample(WALK, fps=60).motion.fps == 60
    broken = WALK.rotations.clone()
    broken[12, 5] = torch.nan
    done = auto.repair(replace(WALK, rotations=broken))
    assert "missing in 1 frames" in done.report.notes
    assert bool(done.motion.rotations.isfinite().all())
    named = auto.repair(WALK, frames=[12, 13])
    assert not torch.equal(named.motion.rotations[12], WALK.rotations[12])
    assert torch.equal(named.motion.rotations[11], WALK.rotations[11])


def test_show_makes_a_page_that_a_notebook_displays(tmp_path: Path) -> None:
    answer = kn.open("simlpe-cmu").forecast(WALK, seconds=0.2, samples=3)
    shown = kn.show(WALK, answer, kn.open().upsample(WALK, rate=2), title="a <walk>", path=tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text() == shown.html
    assert shown.html.count('"boundary"') == 3
    assert "<script" not in shown._repr_html_()  # it is quoted, in a frame of its own
    assert len(repr(shown)) < 100


@pytest.mark.parametrize(
    ("asked", "expected", "cure"),
    [
        (lambda: kn.open("simple-cmu"), "simlpe-cmu", "simple-cmu"),
        (lambda: kn.open("squad").forecast(WALK), "answers forecast", "simlpe-cmu"),
        (lambda: kn.open("simlpe-cmu").generate("walk"), "answers generate", "posegpt"),
        (lambda: kn.open("action-gan").inbetween(WALK, keys=[0, 5]), "answers inbetween", "auto"),
        (lambda: kn.open("auto").inbetween(WALK), "two clips and frames=", "keys="),
        (lambda: kn.open("auto").inbetween(WALK, WALK), "number of frames", "frames=30"),
        (lambda: kn.open("auto").inbetween(WALK, keys=[0, 99]), "0 to 35", "counted from 0"),
        (lambda: kn.open("auto").upsample(WALK), "one of rate=", "rate=4"),
        (lambda: kn.open("auto").upsample(WALK, rate=0.5), "a rate of 1 or more", "resample"),
        (lambda: kn.open("auto").repair(WALK, frames=[]), "at least one", "counted from 0"),
        (lambda: kn.open("auto").repair("walk.bvh"), "a motion to repair", "kn.load"),
        (lambda: kn.open("simlpe-cmu").forecast(WALK.points()), "a motion to forecast", "kn.load"),
        (lambda: kn.show(), "something to show", "kn.show(clip)"),
        (lambda: kn.show(3), "a motion, points", "kn.load"),
    ],
)  # fmt: skip
def test_misuse_says_what_to_do(asked: Callable[[], object], expected: str, cure: str) -> None:
    with pytest.raises(kn.KinemaError) as refused:
        asked()
    assert expected in str(refused.value)
    assert cure in str(refused.value)


@pytest.mark.parametrize(
    ("name", "instead"), [("open_run", "kn.open"), ("Run", "kn.Pipeline"), ("Opened", "kn.Pipeline")]
)
def test_a_name_that_is_gone_says_what_to_use(name: str, instead: str) -> None:
    with pytest.raises(AttributeError, match=f"use {instead}$"):
        getattr(kn, name)


def test_auto_takes_the_default_model_of_the_verb() -> None:
    ours = kn.open().forecast(WALK, seconds=0.2).samples
    assert torch.equal(ours.rotations, kn.open("simlpe-cmu").forecast(WALK, seconds=0.2).samples.rotations)
    assert kn.open().forecast(WALK, seconds=0.2, hold=["torso"]).samples.frames == 6
    assert kn.open().generate("walk", seconds=0.2).skeleton == kn.open("posegpt").generate("walk", seconds=0.2).skeleton
    assert kn.open().verbs == ("forecast", "inbetween", "upsample", "repair", "generate")
