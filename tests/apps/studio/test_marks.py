"""The constraints of a page: what is set is what `--constraints` reads, and an answer meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kinema.apps.studio.desk import AnswerFrames, Desk, Question, Upload, answer, grid_of
from kinema.apps.studio.marks import History, Marks, are_constraints, read_marks
from kinema.core.errors import KinemaError, UsageError
from kinema.data.synthetic import perform
from kinema.io.constraints import read_constraints
from kinema.io.formats import save
from kinema.motion.constraints.kinds import Constraint
from kinema.motion.motion import Motion
from kinema.pipeline.requests import (
    ForecastRequest,
    GenerateRequest,
    InbetweenRequest,
    RepairRequest,
    Request,
    UpsampleRequest,
)

WALK = Upload("walk.bvh", perform("walk", seconds=1.0, fps=30.0, seed=0))
SET = (
    Marks()
    .with_pin("r_wrist", 14, (0.1, 1.2, 0.3))
    .with_key(9, "walk.bvh", 9)
    .with_point(0.0, 0.0, 30)
    .with_point(0.5, 0.5, 30)
    .switched({"kind": "loop"}, on=True)
    .switched({"kind": "ground", "height": 0.01}, on=True)
)


def test_what_is_saved_is_what_the_command_line_reads(tmp_path: Path) -> None:
    assert isinstance(WALK.clip, Motion)
    save(WALK.clip, tmp_path / "walk.bvh")
    (tmp_path / "wanted.json").write_bytes(SET.to_json())
    own, read = SET.constraints(WALK), read_constraints(tmp_path / "wanted.json")
    assert [str(each) for each in own] == [str(each) for each in read]
    assert [each for each in own if each.kind != "pose"] == [each for each in read if each.kind != "pose"]
    assert read_marks("wanted.json", SET.to_json(), WALK).entries == SET.entries
    assert are_constraints("wanted.json", SET.to_json())
    assert not are_constraints("walk.bvh", b"HIERARCHY")


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "pose", "frame": 1, "file": "/etc/passwd"},
        {"kind": "pose", "frame": 1, "file": "../walk.bvh"},
        {"kind": "pin", "joint": "r_wrist", "frames": [], "positions": []},
        {"kind": "pin", "joint": "r_wrist", "frames": [1], "positions": []},
        {"kind": "pin", "joint": "r_wrist", "frames": [1], "positions": [[1, 2]]},
        {"kind": "pin", "joint": "r_wrist", "frames": ["1"], "positions": [[1, 2, 3]]},
        {"kind": "pin", "joint": "r_wrist", "frames": [10**12], "positions": [[1, 2, 3]]},
        {"kind": "pin", "joint": "r_wrist", "frames": [1], "positions": [[1e300, 2, 3]]},
        {"kind": "pin", "joint": ["r_wrist"], "frames": [1], "positions": [[1, 2, 3]]},
        {"kind": "root_path", "frames": 3, "positions": None},
        {"kind": ["pin"]},
        "pin",
    ],
)
def test_hostile_constraints_are_refused_in_one_line(entry: Any) -> None:
    with pytest.raises(KinemaError) as caught:
        read_marks("x.json", json.dumps([entry]).encode(), WALK)
    assert "\n" not in str(caught.value.cure)


def test_more_than_a_page_can_show_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 200"):
        read_marks("x.json", json.dumps([{"kind": "loop"}] * 201).encode(), WALK)
    with pytest.raises(UsageError, match="within 1000 m"):
        SET.moved(SET.handles[0], [0.0, float("nan"), 0.0])


def test_a_drawn_path_follows_the_length_of_the_answer_at_an_even_speed() -> None:
    path = SET.with_point(1.5, 0.5, 30)
    assert path.path is not None
    assert path.path["frames"] == [0, 12, 29]  # 0.71 and 1 m
    assert SET.fitted(60).path == {**path.path, "frames": [0, 59], "positions": [[0.0, 0.0], [0.5, 0.5]]}
    opened = read_marks("x.json", SET.to_json(), WALK)
    assert opened.fitted(60) == opened  # an opened one keeps its frames


def test_keys_move_with_their_own_pose_or_keep_it() -> None:
    keys = SET.with_key(20, "walk.bvh", 20)
    assert keys.with_keys((5, 21), "walk.bvh", own=True).own_keys() == (5, 21)
    kept = keys.with_keys((5, 21), "walk.bvh", own=False)
    assert [(e["frame"], e["source_frame"]) for e in kept.entries if e["kind"] == "pose"] == [(5, 9), (21, 20)]


def test_undo_goes_back_and_forth() -> None:
    history = History()
    history.set(SET)
    history.set(SET.without(0))
    history.set(SET.without(0).without(0), step=False)  # one drag
    assert history.undo()
    assert history.now == SET
    assert history.redo()
    assert len(history.now.entries) == len(SET.entries) - 2
    assert not history.redo()
    assert history.undo()
    assert history.undo()
    assert history.now == Marks()
    assert not history.undo()


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        ("zero-velocity", ForecastRequest(0.5)),
        ("squad", InbetweenRequest(every=8)),
        ("squad", UpsampleRequest(2.0)),
        ("squad", RepairRequest()),
        ("posegpt", GenerateRequest("walk", seconds=1.0)),
    ],
)
def test_every_verb_answers_on_the_frames_that_its_question_has(model: str, request_: Request) -> None:
    desk, wanted = Desk(), Marks().with_pin("r_wrist", 13, (0.1, 1.0, 0.4)).constraints(None)
    question = Question(model, request_, known=0.6, constraints=wanted if request_.verb != "repair" else ())
    grid = grid_of(desk.open(model), question, WALK)
    reply = answer(desk.open(model), question, WALK)
    assert (reply.clips.frames, reply.clips.fps) == (grid.frames, pytest.approx(grid.fps))
    assert (reply.panel.boundary or 0.0) == pytest.approx(grid.start)
    if question.constraints:
        assert "cm left; moved by" in reply.notes[0]


def test_a_time_outside_the_answer_is_refused() -> None:
    grid = AnswerFrames(1.0, 30.0, 30)
    assert grid.frame(1.5) == 15
    with pytest.raises(UsageError, match=r"1\.00 to 1\.97 s"):
        grid.frame(0.5)


def kinds(constraints: tuple[Constraint, ...]) -> list[str]:
    return [each.kind for each in constraints]


def test_known_frames_of_an_in_between_are_keys_and_no_constraints() -> None:
    assert SET.own_keys() == (9,)
    assert kinds(SET.without_own_keys().constraints(WALK)) == ["pin", "root_path", "loop", "ground"]
