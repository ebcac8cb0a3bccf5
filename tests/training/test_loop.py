"""The loop on toys: resuming is exact, nothing but the step matters, trouble stops it in time."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from toys import Listener, ToyGan, ToyModel, job, model, same, stage, windows

from kinema.core.errors import CheckpointError, TrainingError, UsageError
from kinema.core.query import Batch
from kinema.training.checkpoint import RunFolder
from kinema.training.loop import fit
from kinema.training.precision import native_bfloat16
from kinema.training.stage import Optim, Phase


class StopsAt(Listener):
    """A reporter that breaks the run off when a step has been made."""

    def __init__(self, step: int, act: Any) -> None:
        super().__init__()
        self.step, self.act = step, act

    def advance(self, step: int, loss: float) -> None:
        if step == self.step:
            self.act()


class Crash(Exception):
    pass


def crash() -> None:
    raise Crash


def final(folder: Path) -> dict[str, Tensor]:
    return RunFolder(folder).weights() | RunFolder(folder).state()


@pytest.mark.parametrize("ema", [0.9, None])
@pytest.mark.parametrize("killed_after", [3, 6, 11])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, ema: float | None, killed_after: int) -> None:
    plan = stage(ema=ema)
    fit(model(), job(tmp_path / "whole", plan))
    with pytest.raises(Crash):
        fit(model(), job(tmp_path / "cut", plan), reporters=[StopsAt(killed_after, crash)])
    assert RunFolder(tmp_path / "cut").facts()["step"] == killed_after // 4 * 4
    fit(model(seed=99), job(tmp_path / "cut", plan), resume=True)  # its own fresh weights do not matter
    assert same(final(tmp_path / "whole"), final(tmp_path / "cut"))


def test_the_loss_falls_and_the_average_is_what_is_given_back(tmp_path: Path) -> None:
    listener = Listener()
    made = fit(model(), job(tmp_path, stage(steps=60)), reporters=[listener])
    assert sum(listener.losses[-10:]) < 0.9 * sum(listener.losses[:10])
    assert not made.training
    saved = {name.removeprefix("model."): value for name, value in RunFolder(tmp_path).weights().items()}
    assert same(made.state_dict(), saved)
    raw = RunFolder(tmp_path).state()["weights.map.weight"]
    assert not torch.equal(raw, saved["map.weight"])


def test_validating_and_saving_leave_the_training_alone(tmp_path: Path) -> None:
    fit(model(), job(tmp_path / "a", stage(validate_every=1, save_every=1), validate=True))
    fit(model(), job(tmp_path / "b", stage(save_every=100)))
    assert same(final(tmp_path / "a"), final(tmp_path / "b"))


def test_validation_uses_the_average_and_is_the_same_every_time(tmp_path: Path) -> None:
    def scores(plan: Any, folder: str) -> list[Mapping[str, Any]]:
        listener = Listener()
        fit(model(), job(tmp_path / folder, plan, validate=True), reporters=[listener])
        return [entry["validation"] for entry in listener.entries.values() if "validation" in entry]

    still = stage(validate_every=1, optim=Optim(lr=1e-30, kind="adam"))
    first, *others = scores(still, "a")
    assert all(other == first for other in others)  # no dropout, the same windows
    assert first["model"]["root"] > 0
    assert scores(stage(), "b") == scores(stage(), "c")


def test_turns_come_in_order_each_repeat_with_a_batch_of_its_own(tmp_path: Path) -> None:
    net = model(kind=ToyGan)
    optim = (Phase("maker", Optim()), Phase("critic", Optim(), repeats=3))
    work = job(tmp_path, stage(optim=optim, steps=2, ema=None))
    fit(net, work)
    sums = [float(work.loader.batch(index).target.sum()) for index in range(6)]
    expected = [("critic", sums[0]), ("critic", sums[1]), ("critic", sums[2]), ("maker", sums[0])]
    expected += [("critic", sums[3]), ("critic", sums[4]), ("critic", sums[5]), ("maker", sums[3])]
    assert net.heard == expected


def test_a_fresh_turn_has_batches_that_no_turn_before_it_has_seen(tmp_path: Path) -> None:
    net = model(kind=ToyGan)
    optim = (Phase("critic", Optim(), repeats=2), Phase("maker", Optim(), fresh=True))
    work = job(tmp_path, stage(optim=optim, steps=2, ema=None))
    fit(net, work)
    sums = [float(work.loader.batch(index).target.sum()) for index in range(6)]
    phases = ("critic", "critic", "maker") * 2
    assert net.heard == list(zip(phases, sums, strict=True))


def test_each_turn_moves_its_own_parameters(tmp_path: Path) -> None:
    net = model(kind=ToyGan)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    optim = (Phase("critic", Optim(lr=1e-2)), Phase("maker", Optim(lr=1e-20, weight_decay=0.0)))
    fit(net, job(tmp_path, stage(optim=optim, ema=None)))
    assert torch.equal(net.state_dict()["map.weight"], before["map.weight"])
    assert not torch.equal(net.state_dict()["judge.weight"], before["judge.weight"])


def test_turns_that_the_model_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="critic, maker"):
        fit(model(kind=ToyGan), job(tmp_path, stage(optim=(Phase("critic", Optim()),))))


def test_clipping_shortens_the_gradient(tmp_path: Path) -> None:
    net = model()
    fit(net, job(tmp_path, stage(optim=Optim(clip_norm=1e-3), ema=None)))
    # The gradients of the last step are still there.
    lengths = [parameter.grad.norm() for parameter in net.parameters() if parameter.grad is not None]
    assert float(torch.stack(lengths).norm()) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_the_step(tmp_path: Path, poison: float) -> None:
    class Poisoned(ToyModel):
        def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
            losses = super().loss(batch, phase)
            return {**losses, "loss": losses["loss"] * (poison if int(self.passes) == 7 else 1.0)}

    net = model(kind=Poisoned)
    weights: list[Tensor] = []
    keep = StopsAt(6, lambda: weights.append(net.map.weight.detach().clone()))
    with pytest.raises(TrainingError) as caught:
        fit(net, job(tmp_path), reporters=[keep])
    assert "phase 'model' at step 7 of stage 'model'" in caught.value.expected
    assert f"loss {poison}" in caught.value.got
    assert caught.value.cure
    assert torch.equal(net.map.weight, weights[0])
    assert RunFolder(tmp_path).facts()["step"] == 4


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    net = model()

    def poison() -> None:
        with torch.no_grad():
            net.map.bias[0] = float("nan")

    with pytest.raises(TrainingError, match="finite weights after step 4"):
        fit(net, job(tmp_path, stage(ema=None)), reporters=[StopsAt(4, poison)])
    assert RunFolder(tmp_path).facts()["step"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_step_and_leaves(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    stopper = StopsAt(6, lambda: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt):
        fit(model(), job(tmp_path / "cut"), reporters=[stopper])
    assert signal.getsignal(number) == before
    # The signal comes while step 6 is reported, so it is step 6 that is saved.
    assert RunFolder(tmp_path / "cut").facts()["step"] == 6
    fit(model(), job(tmp_path / "cut"), resume=True)
    fit(model(), job(tmp_path / "whole"))
    assert same(final(tmp_path / "whole"), final(tmp_path / "cut"))


def test_resuming_another_model(tmp_path: Path) -> None:
    fit(model(), job(tmp_path))
    with pytest.raises(CheckpointError) as caught:
        fit(model(kind=ToyGan), job(tmp_path, stage(optim=Optim())), resume=True)
    assert caught.value.expected
    assert "judge" in caught.value.got
    assert caught.value.cure


def test_the_caller_keeps_his_randomness(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(model(), job(tmp_path))
    assert torch.equal(torch.rand(3), expected)


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    work = job(tmp_path / "a")
    fit(model(), work)
    fit(model(), replace(work, seed=4, folder=RunFolder(tmp_path / "b")))  # same batches, other dropout
    assert not same(final(tmp_path / "a"), final(tmp_path / "b"))
    assert len(windows().clips) == 2


@pytest.mark.skipif(not native_bfloat16(torch.device("cpu"))[0], reason="this processor emulates bfloat16")
def test_bfloat16_is_used_by_name_and_resumes_to_the_same_bits(tmp_path: Path) -> None:
    plan = stage(precision="bfloat16")
    fit(model(), job(tmp_path / "whole", plan))
    with pytest.raises(Crash):
        fit(model(), job(tmp_path / "cut", plan), reporters=[StopsAt(6, crash)])
    fit(model(), job(tmp_path / "cut", plan), resume=True)
    assert same(final(tmp_path / "whole"), final(tmp_path / "cut"))
    fit(model(), job(tmp_path / "exact"))
    assert not same(final(tmp_path / "whole"), final(tmp_path / "exact"))
    assert all(value.dtype != torch.bfloat16 for value in final(tmp_path / "whole").values())
