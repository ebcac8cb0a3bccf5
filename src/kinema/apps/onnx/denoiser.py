"""Graphs of a diffusion model: one step of its walk, and the way from coefficients to frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinema.apps.onnx.ports import Axis, Port, PortedNetwork, Sizes, numbers
from kinema.models.smrnet.diffusion import alpha_bars, data_of, levels
from kinema.models.smrnet.inpainting import KnownWindows
from kinema.models.smrnet.model import SMRNet
from kinema.representations.base import Representation


class _Denoiser(nn.Module):
    """What clean window the network takes a noisy one for, the known past put in."""

    def __init__(self, model: SMRNet, representation: Representation) -> None:
        super().__init__()
        self.model, self.representation = model, representation
        self.heads = [head.detach() for head in model.denoiser.folded()]
        config = model.config
        self.alpha_bar = alpha_bars(config.schedule, config.noise_steps).float()

    def forward(self, noisy: Tensor, level: Tensor, past: Tensor) -> Tensor:
        model, config = self.model, self.model.config
        observed = self.representation.standardise(past)
        known = torch.ones_like(observed[:, 0, 0])
        window = model.terms.of(observed, known)
        frames = window.held
        embedded = model.denoiser.embed(model.coefficients.encode(frames), window.past, known)
        said = self._word(noisy, level, embedded)
        if config.guidance != 1:
            alone = self._word(noisy, level, torch.zeros_like(embedded))
            said = alone + config.guidance * (said - alone)
        clean = data_of(config.prediction, said, noisy, self.alpha_bar[level][:, None, None])
        if config.completion != "estimate":
            return clean
        mask = (torch.arange(config.frames) < config.observed)[None, :, None].expand_as(frames)
        return KnownWindows(model.coefficients, frames, mask, frames).estimate(clean)

    def _word(self, noisy: Tensor, level: Tensor, embedded: Tensor) -> Tensor:
        denoiser = self.model.denoiser
        return denoiser.answer(noisy, embedded, denoiser.sources(embedded, level), self.heads)


class _Frames(nn.Module):
    def __init__(self, model: SMRNet, representation: Representation) -> None:
        super().__init__()
        self.model, self.representation = model, representation

    def forward(self, clean: Tensor, past: Tensor) -> Tensor:
        observed = self.representation.standardise(past)
        known = torch.ones_like(observed[:, 0, 0])
        window = self.model.terms.of(observed, known)
        return self.representation.restore(window.back(self.model.coefficients.decode(clean)))


def denoiser_part(model: SMRNet, representation: Representation) -> PortedNetwork:
    """The part "denoiser": what clean window the network takes a noisy one for."""
    config, width = model.config, representation.width
    code: tuple[Axis, ...] = ("sample", "batch", config.coefficients, width)
    inputs = (
        Port("noisy", code, "float32", "the noisy window's coefficients; standard normal numbers at first"),
        Port("level", ("batch",), "int64", f"how noisy it is: 0 to {config.noise_steps - 1}"),
        Port("past", ("batch", config.observed, width), "float32", "the last frames seen, oldest first"),
    )
    outputs = (Port("clean", code, "float32", "the clean window's coefficients, as far as can be said"),)

    def example(sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        made = numbers((inputs[0], inputs[2]))(sizes, generator)
        asked = torch.randint(1, config.noise_steps, inputs[1].shape(sizes), generator=generator)
        return {"noisy": made["noisy"], "level": asked, "past": made["past"]}

    alpha_bar = alpha_bars(config.schedule, config.noise_steps)
    asked = levels(alpha_bar, config.steps, config.last_step)
    ends = [float(alpha_bar[level]) for level in asked] + ([1.0] if config.last_step == "clean" else [])
    notes = {
        "levels": list(asked[: len(ends) - 1]),
        "alpha_bar": ends,
        "solver": config.solver,
        "completion": config.completion,
        "observed": config.observed,
        "predicted": config.predicted,
    }
    says = "A step of the walk from noise to a window: ask at each of `levels`, step to the next `alpha_bar`."
    return PortedNetwork("denoiser", says, _Denoiser(model, representation), inputs, outputs, example, notes)


def frames_part(model: SMRNet, representation: Representation) -> PortedNetwork:
    """The part "frames": the frames of a window from its coefficients."""
    config, width = model.config, representation.width
    inputs = (
        Port("clean", ("sample", "batch", config.coefficients, width), "float32", "what the walk ends in"),
        Port("past", ("batch", config.observed, width), "float32", "the frames that the denoiser was given"),
    )
    axes: tuple[Axis, ...] = ("sample", "batch", config.frames, width)
    outputs = (Port("window", axes, "float32", f"frames; the first {config.observed} are the past"),)
    says = "The frames of a window from its coefficients."
    return PortedNetwork("frames", says, _Frames(model, representation), inputs, outputs, numbers(inputs))
