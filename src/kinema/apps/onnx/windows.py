"""Graphs that answer whole windows at once: the deterministic forecasters and the in-betweener."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinema.apps.onnx.ports import Port, PortedNetwork, Sizes, numbers
from kinema.core.errors import UsageError
from kinema.core.query import Query
from kinema.models.conv_seq2seq.model import ConvSeq2Seq
from kinema.models.render_in_between.model import RenderInBetween
from kinema.models.simlpe.model import SiMLPe
from kinema.representations.base import Representation


class _Forecast(nn.Module):
    def __init__(self, model: SiMLPe | ConvSeq2Seq, representation: Representation, *, symmetric: bool) -> None:
        super().__init__()
        self.model, self.representation = model, representation
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
        return self.representation.restore(
            model.generator(observed, model.config.predicted, lambda _, answer: answer)  # pyright: ignore[reportUnknownLambdaType]
        )


def _mirror_matrix(representation: Representation) -> tuple[Tensor, Tensor]:
    """Features of the mirrored motion as one linear map. Raises UsageError where they are none."""
    width = representation.width
    shift = representation.mirror(torch.zeros(1, width))
    matrix = representation.mirror(torch.eye(width)) - shift
    probe = torch.randn(8, width, generator=torch.Generator().manual_seed(0))
    if not torch.allclose(representation.mirror(probe), probe @ matrix + shift, atol=1e-5):
        raise UsageError(
            expected="features whose mirror image is a linear map of them",
            got=f"{type(representation).__name__} of a skeleton where it is not",
            cure="Use it in Python: kinema.open(NAME).",
        )
    return matrix, shift


def forecast_part(model: SiMLPe | ConvSeq2Seq, representation: Representation, *, symmetric: bool) -> PortedNetwork:
    """The part "forecast": the frames after the last ones. Raises UsageError where features cannot be mirrored."""
    config, width = model.config, representation.width
    inputs = (Port("past", ("batch", config.observed, width), "float32", "the last frames seen, oldest first"),)
    outputs = (Port("future", ("batch", config.predicted, width), "float32", "the frames that follow"),)
    says = "The next frames from the last ones. For a longer future give back the newest of past and answer."
    return PortedNetwork(
        "forecast", says, _Forecast(model, representation, symmetric=symmetric), inputs, outputs, numbers(inputs)
    )


class _InBetween(nn.Module):
    def __init__(self, model: RenderInBetween, representation: Representation) -> None:
        super().__init__()
        self.model, self.representation = model, representation

    def forward(self, observed: Tensor, confidence: Tensor, time: Tensor, valid: Tensor) -> Tensor:
        query = Query(
            self.representation.standardise(observed), confidence, time, valid, observed.new_zeros(observed.shape[0], 0)
        )
        return self.representation.restore(self.model.predict(query, 1, torch.Generator())[0])


def inbetween_part(model: RenderInBetween, representation: Representation) -> PortedNetwork:
    """The part "inbetween": a window from some of its frames."""
    width, tokens = representation.width, representation.tokens
    inputs = (
        Port("observed", ("batch", "frame", width), "float32", "what is known; anything where nothing is"),
        Port("confidence", ("batch", "frame", tokens), "float32", "by joint: 0 unknown, 1 exact, between: so sure"),
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

    says = "All frames of a window from some of them, wherever and whenever they are."
    return PortedNetwork("inbetween", says, _InBetween(model, representation), inputs, outputs, example)
