"""The motions that come with the package: real, short, known by name on the command line and in Python."""

import json
from pathlib import Path

import pytest
import torch

import kinema as kn
from kinema.apps.cli import main
from kinema.data.samples import TRIALS, sample_file

WEIGHTS = Path(kn.__file__).parent / "weights"


@pytest.mark.parametrize("name", TRIALS)
def test_a_sample_is_a_body_of_a_person_on_the_floor(name: str) -> None:
    clip = kn.sample(name)
    height = clip.points().positions[..., 1]
    assert clip.fps == 60
    assert clip.action == name
    assert clip.identity == f"cmu/{TRIALS[name]}"
    assert 1.1 < clip.frames / clip.fps < 6
    assert -0.1 < float(height.min()) < 0.1  # a foot is on the floor, metres
    assert 1.3 < float(height.max()) < 2.2


def test_each_sample_moves_as_its_name_says() -> None:
    speed = {name: _root_speed(kn.sample(name)) for name in TRIALS}
    assert speed["run"] > 2 * speed["walk"] > 4 * speed["drink"]
    jump = kn.sample("jump")
    ankles = jump.points().positions[:, jump.skeleton.indices(["l_ankle", "r_ankle"]), 1]
    assert float(ankles.amin(1).max()) > 0.4  # both feet are off the floor at once, metres


def _root_speed(clip: kn.Motion) -> float:
    return float((clip.root[-1] - clip.root[0])[[0, 2]].norm()) * clip.fps / clip.frames


def test_an_unknown_sample_is_refused_with_the_names() -> None:
    with pytest.raises(kn.KinemaError, match="dance, drink, jump, punch, run, walk") as found:
        kn.sample("wlak")
    assert "Did you mean walk" in str(found.value)


def test_the_files_are_small_and_their_acknowledgement_lies_beside_them() -> None:
    files = [sample_file(name) for name in TRIALS]
    assert sum(file.stat().st_size for file in files) < 1_000_000  # bytes: the wheel is to stay small
    said = (files[0].parent / "ACKNOWLEDGEMENT.txt").read_text()
    assert "mocap.cs.cmu.edu" in said
    assert "NSF EIA-0196217" in said
    assert all(f"{name}.bvh" in said and trial in said for name, trial in TRIALS.items())


def test_the_command_line_takes_a_sample_for_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["info", "sample:walk", "--json"])
    assert json.loads(capsys.readouterr().out)["frames"] == kn.sample("walk").frames
    with pytest.raises(SystemExit, match="0"):
        main(["convert", "sample:jump", str(tmp_path / "jump.bvh")])
    assert torch.equal(kn.load(tmp_path / "jump.bvh").root, kn.sample("jump").root)
    with pytest.raises(SystemExit, match="2"):
        main(["info", "sample:wlak"])
    assert "Did you mean walk" in capsys.readouterr().err


def test_no_shipped_model_was_trained_on_a_sample() -> None:
    for config in sorted(WEIGHTS.glob("*/config.json")):
        trained_on = set(json.loads(config.read_text())["trained_on"])
        assert trained_on
        assert not trained_on & {f"cmu/{trial}" for trial in TRIALS.values()}, config.parent.name
