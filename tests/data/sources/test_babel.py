"""BABEL over AMASS: labels that are null, exchanged or missing, windows, classes."""

import json
from pathlib import Path
from typing import Any

import pytest

from kinema.core.errors import FormatError, MissingDataError, UsageError
from kinema.data.sources.babel import Babel
from little_amass import write_take


def label(categories: list[str] | None, start: float | None = None, end: float | None = None) -> dict[str, Any]:
    times = {} if start is None else {"start_t": start, "end_t": end}
    return {"act_cat": categories, **times}


def entry(place: str, labels: list[dict[str, Any]] | None, *, whole: bool = False) -> dict[str, Any]:
    said = {"labels": labels}
    return {"feat_p": place, "frame_ann": None if whole else said, "seq_ann": said if whole else None}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A recording of 4 s at 120 Hz, one of 2 s at 100 Hz; json files with everything that is wrong with the real."""
    write_take(tmp_path / "amass/KIT/3/kick_poses.npz", frames=481, fps=120)
    write_take(tmp_path / "amass/BMLrub/rub061/walk_poses.npz", frames=201, fps=100, seed=1)
    kick = entry(
        "KIT/KIT/3/kick_poses.npz",
        [label(["walk"], 0.0, 1.0), label(None, 1.0, 1.5), label(["kick", "walk"], 3.5, 2.0), label(["odd"], 0, 0.2)],
    )
    walk = entry("BMLrub/BioMotionLab_NTroje/rub061/walk_poses.npz", [label(["walk"]), label(["turn"])], whole=True)
    gone = entry("SFU/SFU/1/gone_poses.npz", [label(["jump"], 0.0, 1.0)])
    (tmp_path / "train.json").write_text(json.dumps({"1": kick, "2": walk, "3": gone}))
    (tmp_path / "val.json").write_text(json.dumps({"4": entry("KIT/KIT/3/kick_poses.npz", [], whole=True)}))
    (tmp_path / "test.json").write_text(json.dumps({"5": {"feat_p": "KIT/KIT/3/kick_poses.npz", "frame_ann": None}}))
    return tmp_path


def test_segments_survive_null_and_exchanged_times(root: Path) -> None:
    source = Babel(str(root))
    clips = list(source.clips("train"))
    assert [(clip.frames, clip.action) for clip in clips] == [(31, "walk"), (46, "walk & kick"), (61, "walk & turn")]
    assert all(clip.fps == 30 for clip in clips)
    assert clips[0].identity == "amass/kit/3/kick"
    assert sorted(why for _, why in source.plan("train").skipped) == [
        "a label without categories", "no recording in AMASS", "shorter than 16 frames",
    ]  # fmt: skip


def test_a_segment_is_its_stretch_of_the_recording(root: Path) -> None:
    source = Babel(str(root))
    whole = next(iter(Babel(str(root), trimmed=False).clips("train")))
    cut = list(source.clips("train"))[1]
    assert whole.action == "walk & kick & odd"
    assert whole.frames == 121
    assert (cut.root - whole.root[60:106]).abs().max() == 0


def test_windows(root: Path) -> None:
    def lengths(**how: Any) -> list[int]:
        return [clip.frames for clip in Babel(str(root), trimmed=False, **how).clips("train")][:4]

    assert lengths(frames=50, minimum=21) == [50, 50, 21, 50]
    assert lengths(frames=50, minimum=22) == [50, 50, 50]
    assert lengths(frames=50, overlap=10, minimum=41)[:3] == [50, 50, 41]
    with pytest.raises(UsageError, match="overlap"):
        Babel(frames=10, overlap=10, minimum=5)


def test_test_has_no_labels(root: Path) -> None:
    (clip,) = Babel(str(root)).clips("test")
    assert clip.action is None
    assert clip.frames == 121
    assert list(Babel(str(root)).clips("val")) == []
    assert Babel(str(root)).plan("val").skipped == (("4", "no labels"),)


def test_classes_by_frequency_or_by_the_published_list(root: Path) -> None:
    assert Babel(str(root)).actions == ("walk", "jump", "kick", "odd", "turn")
    (root / "action_label_2_idx.json").write_text(json.dumps({"kick": 1, "turn": 0}))
    source = Babel(str(root))
    assert source.actions == ("turn", "kick")
    assert [clip.action for clip in source.clips("train")] == ["kick", "turn"]
    assert [why for _, why in source.plan("train").skipped].count("none of the 60 categories") == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "train.json: expected JSON"),
        ("[]", "a dict of sequences"),
        ('{"7": {"feat_p": null}}', "sequence 7: expected feat_p"),
        ('{"7": {"feat_p": "a/b", "frame_ann": {"labels": [{"act_cat": "walk"}]}}}', "sequence 7: expected act_cat"),
        ('{"7": {"feat_p": "a/b", "frame_ann": {"labels": [{"act_cat": [], "start_t": "x"}]}}}', "seconds.*'x'"),
    ],
)
def test_damaged_json(root: Path, text: str, said: str) -> None:
    (root / "train.json").write_text(text)
    with pytest.raises(FormatError, match=said):
        list(Babel(str(root)).clips("train"))


def test_no_json(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"babel\.is\.tue\.mpg\.de"):
        list(Babel(str(tmp_path)).clips("train"))
