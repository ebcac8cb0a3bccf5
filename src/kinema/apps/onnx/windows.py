"""Graphs over windows of frames: forecasts, in-betweens, and a diffusion model's denoiser with its frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kinema.apps.onnx.ports import Axis, InUnits, Port, PortedNetwork, Sizes, numbers
from kinema.core.errors import UsageError
from kinema.core.query import Query
from kinema.geometry.rotations import rotmat_to_quat_xyzw
from kinema.models.conv_seq2seq.model import ConvSeq2Seq
from kinema.models.render_in_between.curve_transformer import NODES, GapGrid
from kinema.models.render_in_between.gap_transformer import GapTransformer, OwnFrame
from kinema.models.render_in_between.model import RenderInBetween
from kinema.models.render_in_between.question import KEYS, LONGEST, RATE, REACH, RUNS, GapQuestion, Poses, kind_of
from kinema.models.simlpe.model import SiMLPe
from kinema.models.smrnet.diffusion import alpha_bars, data_of, levels
from kinema.models.smrnet.model import SMRNet
from kinema.models.smrnet.windows import KnownWindows, Window
from kinema.representations.base import Representation


class _Forecast(InUnits[SiMLPe | ConvSeq2Seq]):
    def __init__(self, model: SiMLPe | ConvSeq2Seq, representation: Representation, *, symmetric: bool) -> None:
        super().__init__(model, representation)
        self.mirror = _mirror_matrix(representation) if symmetric else None

    def forward(self, past: Tensor) -> Tensor:
        if self.mirror is None:
            return self._ask(past)
        matrix, shift = self.mirror
        return (self._ask(past) + self._ask(past @ matrix + shift) @ matrix + shift) / 2

    def _ask(self, past: Tensor) -> Tensor:
        observed, model = self.representation.standardise(past), self.model
        if isinstance(model, SiMLPe):
            return self.representation.restore(model(observed))
        return self.representation.restore(model.generator(observed, model.config.predicted, _as_answered))


def _as_answered(_: int, answer: Tensor) -> Tensor:
    return answer


def _mirror_matrix(representation: Representation) -> tuple[Tensor, Tensor]:
    """Features of the mirrored motion as one linear map. Raises UsageError where the map is not linear."""
    width = representation.width
    shift = representation.mirror(torch.zeros(1, width))
    matrix = representation.mirror(torch.eye(width)) - shift
    probe = torch.randn(8, width, generator=torch.Generator().manual_seed(0))
    if not torch.allclose(representation.mirror(probe), probe @ matrix + shift, atol=1e-5):
        raise UsageError(
            expected="features whose mirror image is a linear map of them",
            got=f"{type(representation).__name__} of a skeleton where it is not",
            cure="Use the model in Python: kinema.open(NAME).",
        )
    return matrix, shift


def forecast_part(
    model: SiMLPe | ConvSeq2Seq,
    representation: Representation,
    *,
    symmetric: bool,
    share: Sequence[tuple[float, float]] = (),
) -> PortedNetwork:
    """The part "forecast": the next frames. Raises UsageError where features cannot be mirrored."""
    config, width = model.config, representation.width
    inputs = (Port("past", ("batch", config.observed, width), "float32", "the last observed frames, oldest first"),)
    outputs = (Port("future", ("batch", config.predicted, width), "float32", "the frames that follow"),)
    says = "The next frames from the last ones. For a longer forecast, feed the newest frames of past and future back."
    if share:
        pairs = ", ".join(f"{100 * part:.0f} % at {seconds:g} s" for seconds, part in share)
        says += f" kinema then fades the forecast into the last observed frame; the share of the model is {pairs}."
    network = _Forecast(model, representation, symmetric=symmetric)
    return PortedNetwork("forecast", says, network, inputs, outputs, numbers(inputs))


class _InBetween(InUnits[RenderInBetween]):
    def forward(self, observed: Tensor, confidence: Tensor, time: Tensor, valid: Tensor) -> Tensor:
        no_action = observed.new_zeros(observed.shape[0], 0)
        query = Query(self.representation.standardise(observed), confidence, time, valid, no_action)
        return self.representation.restore(self.model.predict(query, 1, torch.Generator())[0])


def inbetween_part(model: RenderInBetween, representation: Representation) -> PortedNetwork:
    """The part "inbetween": a window from some of its frames."""
    width, tokens = representation.width, representation.tokens
    inputs = (
        Port("observed", ("batch", "frame", width), "float32", "the known values; any value where nothing is known"),
        Port("confidence", ("batch", "frame", tokens), "float32", "of each joint: 0 unknown, 1 exact, or between"),
        Port("time", ("batch", "frame"), "float32", "seconds, rising"),
        Port("valid", ("batch", "frame"), "bool", "False on padding at the end"),
    )
    outputs = (Port("frames", ("batch", "frame", width), "float32", "the whole window, keys included"),)

    def example(sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        batch, frames = sizes["batch"], sizes["frame"]
        drift = torch.randn(batch, frames, width, generator=generator).cumsum(1)
        confidence = (torch.rand(batch, frames, 1, generator=generator) < 0.3).float().repeat(1, 1, tokens)
        confidence[:, [0, -1]] = 1.0
        confidence[:, 1] = 0.5
        return {
            "observed": (0.5 + 0.05 * drift) * confidence.amax(-1, keepdim=True),
            "confidence": confidence,
            "time": (torch.arange(frames) / representation.fps).expand(batch, frames).clone(),
            "valid": torch.ones(batch, frames, dtype=torch.bool),
        }

    says = "All frames of a window from some of them, at any places and times."
    return PortedNetwork("inbetween", says, _InBetween(model, representation), inputs, outputs, example)


class _Gap(InUnits[GapTransformer]):
    def forward(
        self,
        before: Tensor,
        before_time: Tensor,
        after: Tensor,
        after_time: Tensor,
        kind: Tensor,
        nodes: Tensor,
        times: Tensor,
        weights: Tensor,
    ) -> Tensor:
        body, standardise = self.model.body, self.representation.standardise
        earlier, later = body.local(standardise(before)), body.local(standardise(after))
        frame = OwnFrame.of(earlier[:, -1], body)
        question = GapQuestion(before_time, after_time, frame.into(earlier), frame.into(later), kind[0])
        matrix, hips = frame.back(*self.model.both_sides(question, GapGrid(nodes, times, weights)))
        local = body.unchained(Poses(rotmat_to_quat_xyzw(matrix.transpose(-1, -2)), hips))
        return self.representation.restore(body.features(local))


def gap_part(model: GapTransformer, representation: Representation) -> PortedNetwork:
    """The part "gap": what lies between two key frames."""
    width = representation.width
    frames = "what lies between, in frames of 1/30 s from the key before the gap"
    inputs = (
        Port("before", ("batch", "earlier", width), "float32", "known frames, the last is the key before the gap"),
        Port("before_time", ("earlier",), "float32", "their times, rising to 0, in frames of 1/30 s"),
        Port("after", ("batch", "later", width), "float32", "known frames, the first is the key after the gap"),
        Port("after_time", ("later",), "float32", "their times, rising"),
        Port("kind", (1,), "int64", "3 x what is known before + what is known after: 0 the key, 1 movement, 2 keys"),
        Port("nodes", ("node",), "float32", "times at which the network answers"),
        Port("times", ("frame",), "float32", frames),
        Port("weights", ("frame", "node"), "float32", "the cubic spline through the nodes, 0 at the keys"),
    )
    outputs = (Port("frames", ("batch", "frame", width), "float32", "the frames at `times`"),)

    def example(sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        earlier, later, count = sizes["earlier"], sizes["later"], sizes["node"]
        span = float(count + 1)
        rest = model.rest.expand(sizes["batch"], earlier + later, width)
        known = rest + 0.1 * torch.randn(rest.shape, generator=generator)
        before, after = torch.arange(1.0 - earlier, 1.0), span + torch.arange(float(later))
        grid = GapGrid.of(span, torch.linspace(0, span, sizes["frame"]).tolist(), known)
        kind = torch.tensor([kind_of(before.tolist(), after.tolist())])
        return {
            "before": known[:, :earlier].contiguous(), "before_time": before,
            "after": known[:, earlier:].contiguous(), "after_time": after,
            "kind": kind, "nodes": grid.nodes, "times": grid.times, "weights": grid.weights,
        }  # fmt: skip

    limits = {"fps": RATE, "nodes": NODES, "longest": LONGEST, "reach": REACH, "keys": KEYS}
    notes = {**limits, "runs": [list(run) for run in RUNS]}
    says = "What lies between two keys. `kinema.onnx` asks it about every gap of a clip."
    return PortedNetwork("gap", says, _Gap(model, representation), inputs, outputs, example, notes)


class _Window(InUnits[SMRNet]):
    def window(self, past: Tensor) -> tuple[Window, Tensor]:
        """The window that the model denoises, and the confidence of the observed part."""
        observed = self.representation.standardise(past)
        known = torch.ones_like(observed[:, 0, 0])
        return self.model.terms.of(observed, known), known


class _Denoiser(_Window):
    """The network's estimate of the clean window, with the known past put in."""

    def __init__(self, model: SMRNet, representation: Representation) -> None:
        super().__init__(model, representation)
        self.heads = [head.detach() for head in model.denoiser.folded()]
        self.alpha_bar = alpha_bars(model.config.schedule, model.config.noise_steps).float()

    def forward(self, noisy: Tensor, level: Tensor, past: Tensor) -> Tensor:
        model, config = self.model, self.model.config
        window, known = self.window(past)
        frames = window.held
        embedded = model.denoiser.embed(model.coefficients.encode(frames), window.past, known)
        answer = self._ask(noisy, level, embedded)
        if config.guidance != 1:
            alone = self._ask(noisy, level, torch.zeros_like(embedded))
            answer = alone + config.guidance * (answer - alone)
        clean = data_of(config.prediction, answer, noisy, self.alpha_bar[level][:, None, None])
        if config.completion != "estimate":
            return clean
        mask = (torch.arange(config.frames) < config.observed)[None, :, None].expand_as(frames)
        return KnownWindows(model.coefficients, frames, mask, frames).estimate(clean)

    def _ask(self, noisy: Tensor, level: Tensor, embedded: Tensor) -> Tensor:
        denoiser = self.model.denoiser
        return denoiser.answer(noisy, embedded, denoiser.sources(embedded, level), self.heads)


class _Frames(_Window):
    def forward(self, clean: Tensor, past: Tensor) -> Tensor:
        return self.representation.restore(self.window(past)[0].back(self.model.coefficients.decode(clean)))


def denoiser_part(model: SMRNet, representation: Representation) -> PortedNetwork:
    """The part "denoiser": the clean window that the network estimates from a noisy one."""
    config, width = model.config, representation.width
    code: tuple[Axis, ...] = ("sample", "batch", config.coefficients, width)
    inputs = (
        Port("noisy", code, "float32", "the noisy window's coefficients; standard normal numbers at first"),
        Port("level", ("batch",), "int64", f"the noise level: 0 to {config.noise_steps - 1}"),
        Port("past", ("batch", config.observed, width), "float32", "the last observed frames, oldest first"),
    )
    outputs = (Port("clean", code, "float32", "the estimate of the clean window's coefficients"),)

    def example(sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        made = numbers((inputs[0], inputs[2]))(sizes, generator)
        level = torch.randint(1, config.noise_steps, inputs[1].shape(sizes), generator=generator)
        return {"noisy": made["noisy"], "level": level, "past": made["past"]}

    alpha_bar = alpha_bars(config.schedule, config.noise_steps)
    steps = levels(alpha_bar, config.steps, config.last_step)
    ends = [float(alpha_bar[level]) for level in steps] + ([1.0] if config.last_step == "clean" else [])
    notes = {
        "levels": list(steps[: len(ends) - 1]),
        "alpha_bar": ends,
        "solver": config.solver,
        "completion": config.completion,
        "observed": config.observed,
        "predicted": config.predicted,
    }
    says = "One step from noise to a window: run it at each of `levels`, step to the next `alpha_bar`."
    return PortedNetwork("denoiser", says, _Denoiser(model, representation), inputs, outputs, example, notes)


def frames_part(model: SMRNet, representation: Representation) -> PortedNetwork:
    """The part "frames": the frames of a window from its coefficients."""
    config, width = model.config, representation.width
    inputs = (
        Port("clean", ("sample", "batch", config.coefficients, width), "float32", "the result of the last step"),
        Port("past", ("batch", config.observed, width), "float32", "the frames that the denoiser was given"),
    )
    axes: tuple[Axis, ...] = ("sample", "batch", config.frames, width)
    outputs = (Port("window", axes, "float32", f"frames; the first {config.observed} are the past"),)
    says = "The frames of a window from its coefficients."
    return PortedNetwork("frames", says, _Frames(model, representation), inputs, outputs, numbers(inputs))
