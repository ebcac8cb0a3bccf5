"""What the studio does, without a page: uploads, questions, answers to take away."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.apps.local_access import is_local
from kinema.apps.studio.controls import words
from kinema.apps.studio.desk import Desk, Question, Upload, plain_name
from kinema.core.errors import KinemaError, UsageError
from kinema.io.formats import load
from kinema.motion.motion import Motion
from kinema.pipeline.requests import ForecastRequest, InbetweenRequest, RepairRequest, Request, UpsampleRequest

Write = Callable[..., Path]


@pytest.fixture
def upload(write_bvh: Write) -> Upload:
    return Desk().read("walk.bvh", write_bvh(24).read_bytes())


def test_an_upload_is_a_clip_with_facts(upload: Upload) -> None:
    assert upload.facts.startswith("walk.bvh: ")
    assert "24 frames at 30 per second" in upload.facts


def test_the_desk_needs_no_page() -> None:
    code = "import sys, kinema.apps.studio.desk; assert 'viser' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_verb_has_models_and_only_such_as_answer_it() -> None:
    desk = Desk()
    assert {"zero-velocity", "simlpe-cmu"} <= set(desk.menu("forecast"))
    assert "auto" not in desk.menu("forecast")
    assert desk.menu("upsample")[0] == "auto"
    for verb in desk.verbs():
        assert all(verb in desk.open(name).verbs for name in desk.menu(verb))


def test_a_forecast_starts_where_the_known_part_ends(upload: Upload) -> None:
    question = Question("zero-velocity", ForecastRequest(0.2, samples=2), known=0.5)
    reply = Desk().ask(question, upload)
    assert [(layer.name, layer.role) for layer in reply.panel.layers] == [
        ("known", "observed"), ("ground truth", "truth"), ("sample 1", "forecast"), ("sample 2", "forecast"),
    ]  # fmt: skip
    assert reply.panel.boundary == pytest.approx(0.5)
    assert reply.clips.batch_shape == (2,)
    assert reply.clips.frames == 6
    assert reply.took > 0


@pytest.mark.parametrize(
    ("request_", "frames"), [(InbetweenRequest(every=6), 24), (UpsampleRequest(4), 93), (RepairRequest(), 24)]
)
def test_the_other_verbs_stand_beside_what_was_given(upload: Upload, request_: Request, frames: int) -> None:
    reply = Desk().ask(Question("auto", request_), upload)
    assert [layer.role for layer in reply.panel.layers] == ["truth", "forecast"]
    assert reply.clips.frames == frames
    assert reply.notes


def test_answers_are_taken_away_as_files_that_can_be_read(upload: Upload, tmp_path: Path) -> None:
    desk = Desk()
    reply = desk.ask(Question("constant-velocity", ForecastRequest(0.2, samples=2)), upload)
    for kind, whole, frames in (("bvh", False, 6), ("bvh", True, 30), ("npz", True, 30)):
        name, content = desk.pack(reply, kind, sample=1, whole=whole)
        assert name == ("walk.forecast-2.bvh" if kind == "bvh" else "walk.forecast.npz")
        path = tmp_path / name
        path.write_bytes(content)
        clip = load(path)
        assert clip.frames == frames
        assert clip.batch_shape == (() if kind == "bvh" else (2,))
    assert desk.pack(reply, "glb")[1].startswith(b"glTF")
    with pytest.raises(UsageError, match="bvh, glb, npz"):
        desk.pack(reply, "exe")
    with pytest.raises(UsageError, match="sample from 1 to 2"):
        desk.pack(reply, "bvh", sample=2)


@pytest.mark.parametrize("content", [b"", b"garbage", b"HIERARCHY\nROOT", b"PK\x03\x04nonsense", b"\xff" * 99])
def test_garbage_is_an_error_that_names_the_file(content: bytes) -> None:
    with pytest.raises(KinemaError) as caught:
        Desk().read("walk.bvh", content)
    assert caught.value.cure
    assert "kinema-studio-" not in str(caught.value)


def test_what_is_too_large_is_refused(write_bvh: Write) -> None:
    with pytest.raises(UsageError, match=r"at most 0\.0001 MB") as caught:
        Desk(largest=100).read("walk.bvh", write_bvh(24).read_bytes())
    assert "--max-mb" in caught.value.cure


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.bvh", "b.bvh"),
        ("..", "upload"),
        ("", "upload"),
        ("a\n\0b.bvh", "ab.bvh"),
    ],
)
def test_the_name_of_an_upload_leads_nowhere(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_questions_that_cannot_be(upload: Upload, tmp_path: Path) -> None:
    desk = Desk()
    with pytest.raises(UsageError, match="Open a file first"):
        desk.ask(Question("zero-velocity", ForecastRequest()), None)
    with pytest.raises(UsageError, match="which answers"):
        desk.ask(Question("squad", ForecastRequest()), upload)
    with pytest.raises(UsageError, match="among"):
        desk.open(str(tmp_path))  # a page cannot name folders of this machine


def test_two_who_ask_at_once_get_their_own_answers(upload: Upload) -> None:
    desk, found = Desk(), dict[int, int]()

    def ask(samples: int) -> None:
        reply = desk.ask(Question("zero-velocity", ForecastRequest(0.1, samples)), upload)
        found[samples] = reply.count

    threads = [threading.Thread(target=ask, args=(samples,)) for samples in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {1: 1, 2: 2, 3: 3}


def test_the_words_of_others_are_no_code() -> None:
    shown = words('<script>alert("x")</script>', tone="bad")
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_loopback_is_known() -> None:
    assert is_local("127.0.0.1")
    assert not is_local("0.0.0.0")


def test_a_motion_is_needed_for_rotations(upload: Upload) -> None:
    points = Upload("points.npz", upload.clip.points())
    assert isinstance(upload.clip, Motion)
    with pytest.raises(UsageError, match="upsample and repair take points"):
        Desk().ask(Question("zero-velocity", ForecastRequest()), points)
    assert Desk().ask(Question("auto", UpsampleRequest(2)), points).count == 1
