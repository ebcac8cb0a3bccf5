"""The log of a run: what it holds, and what becomes of lines of a run that was cut short."""

import json
from pathlib import Path

import pytest
from toys import Listener, job, model, stage

from kinema.training.log import JsonLines, ProgressBar, TensorBoard
from kinema.training.loop import fit


def test_lines_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    log = JsonLines(file, 0)
    for step in (1, 2, 3, 4):
        log.record(step, {"losses": {"model": {"loss": 0.5}}})
    log.close()
    with file.open("a") as text:
        text.write('{"step": 5, "los')  # killed while writing
    log = JsonLines(file, 2)
    log.record(3, {"losses": {"model": {"loss": 0.25}}})
    log.close()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert lines[2]["losses"]["model"]["loss"] == 0.25


def test_what_is_recorded_and_when(tmp_path: Path) -> None:
    listener = Listener()
    fit(model(), job(tmp_path, stage(log_every=5, validate_every=6), validate=True), reporters=[listener])
    assert list(listener.entries) == [1, 5, 6, 10, 12]
    assert [step for step, entry in listener.entries.items() if "validation" in entry] == [6, 12]
    entry = listener.entries[10]
    assert entry["stage"] == "model"
    assert set(entry["losses"]["model"]) == {"loss", "root"}
    assert entry["lr"]["model"] == stage().phases(model())[0].optim.rate(9, 12)
    assert entry["steps_per_second"] > 0
    assert len(listener.losses) == 12


def test_the_bar_shows_loss_and_rate_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar("model", 0, 12)
    fit(model(), job(tmp_path), reporters=[bar])
    bar.close()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "12/12" in shown.err
    assert "steps/s" in shown.err


def test_tensorboard_gets_every_number(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = TensorBoard(tmp_path)
    board.record(3, {"stage": "model", "losses": {"model": {"loss": 0.5}}, "lr": {"model": 1e-3}})
    board.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"losses/model/loss", "lr/model"}
    assert events.Scalars("losses/model/loss")[0].step == 3
