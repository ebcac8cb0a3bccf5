"""`kinema upsample`, `inbetween` and `repair`, with good and with bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from command import run
from kinema.core.errors import KinemaWarning
from kinema.data.synthetic import perform
from kinema.io.formats import load, save
from kinema.motion.retargeting import retarget
from kinema.motion.skeletons import skeleton
from kinema.pipeline.open import WEIGHTS

Writer = Callable[..., Path]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    path = tmp_path / "walk.bvh"
    save(perform("walk", seconds=1.5, fps=30.0, seed=3), path)
    return path


def head(path: Path) -> list[str | float]:
    """Names, channels and offsets in the file's order; 0.0 and 0 are the same."""
    words = path.read_text().partition("MOTION")[0].split()
    return [float(word) if word.lstrip("-")[0].isdigit() else word for word in words]


def rows(path: Path) -> list[list[float]]:
    return [[float(x) for x in line.split()] for line in path.read_text().partition("Frame Time")[2].splitlines()[1:]]


def fails(capsys: Captured, *arguments: object, says: str) -> None:
    assert run(*arguments) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("kinema: ")]
    for word in ("expected", "got", says):
        assert word in line, line


def test_upsampling_keeps_the_file_and_its_frames(write_bvh: Writer, tmp_path: Path, capsys: Captured) -> None:
    source, out = write_bvh(9), tmp_path / "slow.bvh"
    assert run("upsample", source, "--rate", 8, "-o", out, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["frames"], report["known"], report["kept"], report["key_deviation"]) == (65, 9, 9, 0.0)
    assert head(out) == head(source)
    assert "Frame Time: 0.00416666" in out.read_text()
    assert torch.equal(load(out).root[::8], load(source).root)
    for before, after in zip(rows(source), rows(out)[::8], strict=True):
        assert after[:3] == pytest.approx(before[:3], abs=1e-4)  # centimetres
        assert [(a - b + 180) % 360 - 180 for a, b in zip(after[3:], before[3:], strict=True)] == pytest.approx(
            [0.0] * 15, abs=2e-3
        )


@pytest.mark.parametrize(("rate", "frames"), [(1, 45), (3, 133), (2.5, 111)])
def test_rates(rate: float, frames: int, walk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.bvh"
    assert run("upsample", walk, "--rate", rate, "-o", out) == 0
    assert load(out).frames == frames
    assert load(out).fps == pytest.approx(30 * rate, rel=1e-4)


def test_bad_rates(walk: Path, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "out.bvh"
    for rate in ("0", "-2", "0.5", "nan"):
        fails(capsys, "upsample", walk, f"--rate={rate}", "-o", out, says="a rate of 1 or more")
    fails(capsys, "upsample", walk, "-o", out, says="--rate or --fps")
    fails(capsys, "upsample", walk, "--fps", 10, "-o", out, says="30 frames per second")
    fails(capsys, "upsample", walk, "--rate", 2, "--method", "squat", "-o", out, says="squad")
    assert not out.exists()


def test_two_poses_in_thirty_frames_out(walk: Path, tmp_path: Path, capsys: Captured) -> None:
    other, out = tmp_path / "other.bvh", tmp_path / "out.bvh"
    save(perform("wave", seconds=1.0, fps=30.0, seed=1), other)
    assert run("inbetween", walk, other, "--frames", 30, "-o", out, "--json") == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert "--align" in " ".join(captured.err.split())
    assert (report["frames"], report["kept"], report["segments"][0]["method"]) == (32, 2, "render-in-between")
    first, last, made = load(walk), load(other), load(out)
    torch.testing.assert_close(made.rotations[0], first.rotations[-1], atol=1e-5, rtol=0)
    torch.testing.assert_close(made.rotations[-1], last.rotations[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(made.root[-1], last.root[0], atol=1e-5, rtol=0)
    assert head(out) == head(walk)


def test_context_whole_and_align(walk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.bvh"
    assert run("inbetween", walk, walk, "--frames", 10, "--context", 4, "--align", "-o", out) == 0
    made, first = load(out), load(walk)
    assert made.frames == 20
    torch.testing.assert_close(made.root[15, [0, 2]], first.root[-1, [0, 2]], atol=1e-4, rtol=0)
    assert run("inbetween", walk, walk, "--frames", 10, "--whole", "-o", out) == 0
    assert load(out).frames == 2 * first.frames + 10


@pytest.mark.parametrize(
    ("keys", "kept"),
    [(("--keys", "0,10,35"), 3), (("--every", "10"), 6), (("--keys", "7"), 1), (("--keys", "0-44"), 45)],
)
def test_keys_of_one_clip(keys: tuple[str, str], kept: int, walk: Path, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "out.bvh"
    assert run("inbetween", walk, *keys, "-o", out, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["frames"], report["known"], report["kept"], report["key_deviation"]) == (45, kept, kept, 0.0)


def test_bad_keys(walk: Path, capsys: Captured) -> None:
    fails(capsys, "inbetween", walk, says="--keys 0,10,35")
    fails(capsys, "inbetween", walk, "--keys", "10,0", says="frames that rise")
    fails(capsys, "inbetween", walk, "--keys", "0,,3", says="frames that rise")
    fails(capsys, "inbetween", walk, "--keys", "0,99", says="0 to 44")
    fails(capsys, "inbetween", walk, "--every", 0, says="--every 1")
    fails(capsys, "inbetween", walk, walk, says="--frames 30")
    fails(capsys, "inbetween", walk, walk, "--frames", -3, says="--frames 1 or more")


def test_a_second_clip_of_another_body_and_rate_is_brought_to_the_first(walk: Path, tmp_path: Path) -> None:
    other, out = tmp_path / "other.bvh", tmp_path / "out.bvh"
    clip = perform("walk", seconds=1.0, fps=60.0, seed=4)
    save(retarget(clip, skeleton("cmu38"), by="directions"), other)
    with pytest.warns(KinemaWarning) as said:
        assert run("inbetween", walk, other, "--frames", 5, "-o", out) == 0
    rate, body = (str(each.message) for each in said)
    assert "60 frames per second; it is read at 30" in rate
    assert "the second clip has another skeleton and was retargeted" in body
    first, done = load(walk), load(out)
    assert (done.skeleton.joints, done.fps, done.frames) == (first.skeleton.joints, first.fps, 7)
    # The pose that is arrived at is that of the other body: limbs point as there.
    theirs = load(other)
    for limb in (("l_hip", "l_knee"), ("r_shoulder", "r_elbow"), ("l_knee", "l_ankle")):
        ours, wanted = (
            torch.nn.functional.normalize(clip.positions_of(clip.skeleton.indices(limb)).diff(dim=-2)[:, 0], dim=-1)
            for clip in (done[-1:], theirs[:1])
        )
        assert float((ours * wanted).sum()) > 0.99, limb


def test_repair_mends_the_spike_and_keeps_the_rest(walk: Path, tmp_path: Path, capsys: Captured) -> None:
    broken, out = tmp_path / "broken.bvh", tmp_path / "out.bvh"
    clip = load(walk)
    joint = clip.skeleton.index("l_elbow")
    clip.rotations[20, joint] = clip.rotations[20, joint] @ torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    save(clip, broken)
    assert run("repair", broken, "-o", out, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert "spike in 1 frames" in report["notes"]
    (segment,) = report["segments"]
    assert (segment["first"], segment["last"]) == (20, 20)
    assert segment["jerk_after"] < 0.8 * segment["jerk_before"]
    torch.testing.assert_close(load(out).rotations, load(walk).rotations, atol=0.05, rtol=0)


def test_repair_of_frames_that_are_named(walk: Path, tmp_path: Path, capsys: Captured) -> None:
    out, report = tmp_path / "out.bvh", tmp_path / "report.json"
    assert run("repair", walk, "--frames", "3,10-14", "-o", out, "--report", report) == 0
    page = json.loads(report.read_text())
    assert [(one["first"], one["last"]) for one in page["segments"]] == [(3, 3), (10, 14)]
    fails(capsys, "repair", walk, "--frames", "40-60", "-o", out, says="0 to 44")
    fails(capsys, "repair", walk, "--frames", "0-44", "-o", out, says="no key")


@pytest.mark.parametrize("frames", [1, 2])
def test_clips_of_one_and_two_frames(frames: int, write_bvh: Writer, tmp_path: Path) -> None:
    source, out = write_bvh(frames), tmp_path / "out.bvh"
    assert run("upsample", source, "--rate", 4, "-o", out) == 0
    assert load(out).frames == 4 * (frames - 1) + 1
    assert run("repair", source, "-o", out) == 0
    assert run("inbetween", source, source, "--frames", 3, "-o", out) == 0
    assert load(out).frames == 5


def openpose(folder: Path, people: list[int], size: float = 300.0, sure: float = 0.9) -> Path:
    """A folder of frames in which people[i] people walk to the right."""
    folder.mkdir()
    for frame, count in enumerate(people):
        shown = [
            {
                "person_id": [who],
                "pose_keypoints_2d": [
                    number
                    for joint in range(25)
                    for number in (100.0 + 700 * who + 5 * frame + joint, 50.0 + size * joint / 25, sure)
                ],
            }
            for who in range(count)
        ]
        (folder / f"clip_{frame:012d}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": shown}))
    return folder


@pytest.mark.parametrize("people", [[1] * 6, [0, 1, 1, 1, 1, 1], [1, 0, 1, 1, 1, 0], [2, 2, 2, 1, 2, 2]])
@pytest.mark.parametrize("size", [80.0, 1500.0])
def test_keypoints_come_back_in_their_layout(people: list[int], size: float, tmp_path: Path) -> None:
    folder, out = openpose(tmp_path / "in", people, size), tmp_path / "out"
    assert run("upsample", folder, "--rate", 2, "--source-fps", 30, "--key-mode", "exact", "-o", out) == 0
    pages = [json.loads(path.read_text()) for path in sorted(out.glob("*.json"))]
    assert len(pages) == 11
    middle = pages[5]["people"][0]["pose_keypoints_2d"]
    assert middle[0] == pytest.approx(100 + 5 * 2.5, abs=0.01)
    assert run("repair", folder, "--source-fps", 30, "-o", tmp_path / "mended") == 0


def test_keypoints_that_say_nothing(tmp_path: Path, capsys: Captured) -> None:
    unseen = openpose(tmp_path / "unseen", [1] * 4, sure=0.0)
    assert run("upsample", unseen, "--rate", 2, "--source-fps", 30, "-o", tmp_path / "out") in (1, 2)
    captured = capsys.readouterr()
    assert len([line for line in captured.err.splitlines() if line.startswith("kinema: ")]) == 1
    observed = openpose(tmp_path / "seen", [1] * 4)
    assert run("upsample", observed, "--rate", 2, "-o", tmp_path / "out") == 1
    assert "--source-fps" in capsys.readouterr().err


def test_old_spellings_of_options_are_taken_and_named(walk: Path, tmp_path: Path, capsys: Captured) -> None:
    old, new = tmp_path / "old.bvh", tmp_path / "new.bvh"
    assert run("inbetween", walk, "--keys", "soft", "--at=0,10,35", "-o", old) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "note: --keys soft is now --key-mode soft" in said
    assert "note: --at 0,10,35 is now --keys 0,10,35" in said
    assert run("inbetween", walk, "--key-mode", "soft", "--keys", "0,10,35", "-o", new) == 0
    assert "is now" not in capsys.readouterr().err
    assert old.read_bytes() == new.read_bytes()


def test_a_run_folder_is_a_model_with_and_without_a_slash(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(WEIGHTS / "render-in-between", "myrun")
    for verb, words in (("upsample", ("--rate", "2")), ("inbetween", ("--keys", "0,10,35")), ("repair", ())):
        found = list[bytes]()
        for name in ("myrun", "./myrun", tmp_path / "myrun", "render-in-between"):
            assert run(verb, walk, *words, "--method", name, "-o", "out.bvh") == 0, (verb, name)
            found.append((tmp_path / "out.bvh").read_bytes())
        assert len(set(found)) == 1
        capsys.readouterr()
        fails(capsys, verb, walk, *words, "--method", "mirun", "-o", "out.bvh", says="run folder")


def test_several_answers_are_files_of_their_own(walk: Path, tmp_path: Path) -> None:
    words = ("inbetween", walk, "--keys", "0,10,35", "--method", "linear", "--samples", "2")
    assert run(*words, "-o", tmp_path / "out.bvh") == 0
    assert {path.name for path in tmp_path.glob("out*")} == {"out-1.bvh", "out-2.bvh"}
    assert run(*words, "-o", tmp_path / "out.npz") == 0
    assert load(tmp_path / "out.npz").batch_shape == (2,)
