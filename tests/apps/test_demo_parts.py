"""A part of the demo shows the system where its weights are there, and says so where they are not."""

from pathlib import Path

import pytest
import torch

from kinema.apps.demo import between, words
from kinema.apps.demo import between as met
from kinema.apps.demo.part import Cast, DemoScores
from kinema.data.synthetic import perform
from kinema.motion.damage import find_damage
from kinema.pipeline.checkpoints.checkpoint import facts_of, feature_shape, fresh_model, save_model
from kinema.recipes import recipe


def untrained(name: str, folder: Path, actions: tuple[str, ...] = ()) -> Path:
    """A run folder of a tiny recipe's model, with fresh weights."""
    tiny = recipe(name).tiny()
    clip = perform("walk", seconds=1.0, fps=tiny.representation.fps, seed=0)
    body = tiny.representation.build(clip.skeleton)
    model = fresh_model(tiny, tiny.stages[-1], feature_shape(body, len(actions)))
    facts = facts_of(tiny, tiny.stages[-1], body, trained_on=(), licence="none", classes=len(actions), actions=actions)
    save_model(folder, model, facts, body, step=0)
    return folder


def test_a_system_without_weights_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinema.apps.demo.part.shipped_models", lambda: ())
    part = words.generated(Cast(), 0)
    assert not part.section.panels
    assert [note.model for note in part.section.notes] == [False, False]
    assert all("kinema train" in note.text for note in part.section.notes)


def test_a_run_of_ones_own_takes_the_place_of_a_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_SAMPLES", 2)
    cast = Cast({name: untrained(name, tmp_path / name, ("walk", "run", "wave")) for name in words.MODELS})
    part = words.generated(cast, 0)
    assert [panel.title for panel in part.section.panels] == ["walk", "run", "wave"] * 2
    assert all(note.model for note in part.section.notes)
    assert part.scores is not None
    assert part.scores.rows["one pose held"]["speed, m/s"] == 0
    assert part.scores.rows["(performer)"]["apart, cm"] > 1


def test_in_between_panels_mark_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinema.apps.demo.part.shipped_models", lambda: ())
    monkeypatch.setattr(between, "RECORDED", ("walk", "punch"))
    part = between.in_between(Cast())
    assert "no trained weights" in part.section.notes[0].text
    for panel in part.section.panels:
        assert len(panel.known) == len(panel.layers[0].bodies) == 4
        for body, (start, end) in zip(panel.layers[0].bodies, panel.known, strict=True):
            answer = panel.layers[2].at((start + end) / 2 if start else 0.0)
            assert abs(answer[0] - body[0]).max() < 2e-2  # it goes through the key that is marked


def test_the_faults_are_all_found() -> None:
    clip = perform("walk", seconds=3.4, fps=30.0, seed=2)[:73]
    broken = between.damaged(clip, 0)
    hurt = (clip.rotations != broken.rotations).any(-1).any(-1)
    found = find_damage(broken).joints
    assert bool(torch.equal(broken.rotations.isnan().any(-1).any(-1) & ~found, torch.zeros_like(found)))
    assert float((found & hurt).sum()) > 0.9 * float(hurt.sum())


def test_scores_are_written_as_they_are() -> None:
    table = DemoScores({"a": {"x": 1.25, "y": float("nan")}}, "what", 1).table()
    assert table.rows == [("a", "1.2", "-")]
    assert list(table.columns) == ["", "x", "y"]


def test_the_panels_of_constraints_meet_them_and_say_so() -> None:
    part = met.constrained()
    assert [panel.title for panel in part.section.panels] == ["reach", "path", "loop"]
    assert part.scores is not None
    for name, row in part.scores.rows.items():
        assert row["left, mm"] < 0.1, name
        assert row["moved, cm"] > 1, name
    assert [note.text.split(":")[0] for note in part.section.notes] == ["reach", "reach", "path", "loop"]
    assert all(": met;" in note.text for note in part.section.notes)
    reach = part.section.panels[0].layers[1].points
    wrist, head = reach.skeleton.indices(("r_wrist", "head"))
    assert float(reach.positions[72, wrist, 1] - reach.positions[72, head, 1]) > 0.1
