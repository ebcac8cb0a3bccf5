"""Motion from labels: what a model is asked, what is written, and what is said to a question that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageChops

import kinema.pipeline.pipeline as opening
from command import run as kinema
from kinema.apps.generated_files import write_strips
from kinema.core.errors import KinemaWarning, UsageError
from kinema.core.query import Batch, Query
from kinema.io.formats import load
from kinema.models.base import Model
from kinema.motion.skeletons import skeleton
from kinema.pipeline.adapter import Card
from kinema.pipeline.pipeline import Pipeline
from kinema.representations.rotations import RotationVectors


class Waver(Model):
    """A stub: random poses, offset by the weights of the labels; remembers what it was asked."""

    deterministic = False

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Query] = []

    def loss(self, batch: Batch, phase: str) -> dict[str, torch.Tensor]:
        raise NotImplementedError

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> torch.Tensor:
        self.asked.append(query)
        noise = torch.randn(samples, *query.observed.shape, generator=generator)
        return 0.1 * noise + query.action.argmax(-1)[None, :, None, None] * 0.1


def little() -> Pipeline:
    body = RotationVectors(skeleton("kinema24"), 30.0)
    return Pipeline.of(
        "little", Waver(), body, trained=12, card=Card(actions=("walk", "run", "wave", "old"), styles=("old",))
    )


def test_nothing_is_known_but_the_action() -> None:
    run = little()
    clips = run.generate({"run": 1.0, "old": 3.0}, seconds=0.5, samples=3, seed=1)
    query = run.trained().model.asked[0]  # pyright: ignore
    assert clips.batch_shape == (3,)
    assert clips.frames == 15
    assert not query.observed.any()
    assert not query.confidence.any()
    assert query.action.tolist() == [[0, 1, 0, 1]]
    assert query.action_frames is None


def test_the_seed_decides() -> None:
    first, same, other = (little().generate({"walk": 1.0}, seconds=0.2, samples=2, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.points().positions, same.points().positions)
    assert not torch.equal(first.points().positions, other.points().positions)


def test_many_samples_are_asked_for_in_parts_and_differ() -> None:
    run = little()
    clips = run.generate({"walk": 1.0}, seconds=1 / 30, samples=70)
    assert clips.batch_shape == (70,)
    assert len(run.trained().model.asked) == 2  # pyright: ignore
    positions = clips.points().positions
    assert not torch.equal(positions[0], positions[64])


def test_a_schedule_labels_every_frame() -> None:
    run = little()
    run.generate([({"walk": 1.0}, 0.0), ({"run": 1.0}, 0.2)], seconds=0.4)
    rows = run.trained().model.asked[0].action_frames[0]  # pyright: ignore
    assert rows[:6, 0].all()
    assert rows[6:, 1].all()
    assert run.trained().model.asked[0].action[0].tolist() == [0.5, 0.5, 0, 0]  # pyright: ignore


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ([({"walk": 1.0}, 0.5)], "the first 0"),
        ([({"walk": 1.0}, 0.0), ({"run": 1.0}, 0.0)], "times rise"),
        ([({"walk": 1.0}, 0.0), ({"run": 1.0}, 2.0)], "parts that begin within"),
    ],
)
def test_a_schedule_out_of_order_is_refused(schedule: list[tuple[dict[str, float], float]], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        little().generate(schedule, seconds=1.0)


def test_questions_that_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"expected an action of .* Did you mean walk"):
        little().generate({"wlak": 1.0}, seconds=1.0)
    with pytest.raises(UsageError, match="positive time"):
        little().generate({"walk": 1.0}, seconds=0.0)
    with pytest.raises(UsageError, match="at least one sample"):
        little().generate({"walk": 1.0}, seconds=1.0, samples=0)
    with pytest.raises(UsageError, match="an action among"):
        little().generate({"old": 1.0}, seconds=1.0)
    with pytest.raises(UsageError, match="weights of 0 or more"):
        little().generate({"walk": -1.0}, seconds=1.0)


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    run = little()
    monkeypatch.setattr(opening, "open_generator", lambda name: run)
    return run


def test_one_action_is_written_in_every_format(
    shipped: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("generate", "walk", "--model", "little", "--style", "old", "--seconds", "0.2", "--samples", "2")
    assert kinema(*arguments, "-o", str(tmp_path), "--formats", "bvh,npz,png,gif", "--json") == 0
    files = {Path(path).name for path in json.loads(capsys.readouterr().out)["files"]}
    assert files == {"walk+old-1.bvh", "walk+old-2.bvh", "walk+old.npz", "walk+old.png", "walk+old.gif"}
    assert load(tmp_path / "walk+old.npz").batch_shape == (2,)
    assert load(tmp_path / "walk+old-2.bvh").frames == 6


def test_all_actions_have_a_folder_each(shipped: Pipeline, tmp_path: Path) -> None:
    assert kinema("generate", "little", "--all", "--per-class", "2", "--formats", "npz", "-o", str(tmp_path)) == 0
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")} == {
        "all.png", "walk/walk.npz", "run/run.npz", "wave/wave.npz",
    }  # fmt: skip


def test_a_mixture_is_made_to_sum_to_one_and_that_is_said(
    shipped: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = ("--seconds", "0.1", "--formats", "npz", "-o", str(tmp_path))
    with pytest.warns(KinemaWarning, match="sum to 4"):
        assert kinema("generate", "little", "--action", "walk:1,run:3", *made) == 0
    assert shipped.trained().model.asked[-1].action.tolist() == [[0.25, 0.75, 0, 0]]  # pyright: ignore
    assert kinema("generate", "little", "--schedule", "walk@0,run@0.05s", *made) == 0
    assert kinema("generate", "little", "--schedule", "walk,run", *made) == 2
    assert kinema("generate", "little", "--action", "walk:much", *made) == 2
    assert kinema("generate", "walk", "--model", "little", "--seconds", "0.1", "--formats", "fbx") == 2
    assert kinema("generate", "--model", "little", "--all", "--action", "walk") == 2


def test_a_single_frame_is_written_without_a_film(shipped: Pipeline, tmp_path: Path) -> None:
    assert kinema("generate", "walk", "--model", "little", "--seconds", "0.034", "-o", str(tmp_path)) == 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".bvh", ".glb", ".npz", ".png"}


def test_a_model_without_actions_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert kinema("generate", "walk", "--model", "simlpe-cmu") == 2
    assert "trained with actions" in capsys.readouterr().err


def test_the_picture_of_all_actions_says_which_is_which(tmp_path: Path) -> None:
    clips = little().generate({"walk": 1.0}, seconds=0.2, samples=1, seed=0)
    for name in ("walk", "wave"):
        write_strips([(name, clips), ("run", clips)], tmp_path / f"{name}.png")
    one, other = (Image.open(tmp_path / f"{name}.png") for name in ("walk", "wave"))
    box = ImageChops.difference(one, other).getbbox()
    assert box is not None
    assert box[3] < 24  # the name of the first row alone, above its figures
