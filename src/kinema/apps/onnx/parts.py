"""What of a model can leave as a graph: its parts, with the names and shapes of what goes in and comes out.

A part takes and gives numbers in their own units (metres, radians): the scaling by the training set's mean and
deviation is inside. A part computes one pass of the model; the loops around it (feeding an answer back, stepping down
the noise levels, token after token) are the user's, and `notes` hold what they need for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kinema.apps.onnx.denoiser import denoiser_part, frames_part
from kinema.apps.onnx.ports import PortedNetwork
from kinema.apps.onnx.tokens import cached_part, decode_part, encode_part, step_part
from kinema.apps.onnx.windows import forecast_part, inbetween_part
from kinema.core.errors import UsageError
from kinema.pipeline.adapter import Adapter

# Each takes the adapter, its model and its representation. A model lists the names of its graphs (`Model.graphs`).
_GRAPHS: Mapping[str, Callable[[Adapter, Any, Any], PortedNetwork]] = {
    "forecast": lambda adapter, model, space: forecast_part(model, space, symmetric=adapter.symmetric),
    "denoiser": lambda _, model, space: denoiser_part(model, space),
    "frames": lambda _, model, space: frames_part(model, space),
    "inbetween": lambda _, model, space: inbetween_part(model, space),
    "encode": lambda _, model, space: encode_part(getattr(model, "tokeniser", model), space),
    "decode": lambda _, model, space: decode_part(getattr(model, "tokeniser", model), space),
    "step": lambda adapter, model, _: step_part(model, adapter.actions),
    "cached": lambda adapter, model, _: cached_part(model, adapter.actions),
}


def parts_of(adapter: Adapter) -> dict[str, PortedNetwork]:
    """The parts of a model by name, the main one first. Raises UsageError, with the reason, where there are none."""
    model, representation = adapter.model, adapter.trained_representation()
    if not model.graphs:
        raise UsageError(
            expected="a model of siMLPe, ConvSeq2Seq, SMRNet, Render-In-Between (not its released form) or PoseGPT",
            got=f"one of {type(model).__name__}, whose answer is not one network with inputs of fixed meaning",
            cure="Use it in Python: kinema.open(NAME).",
        )
    parts = [_GRAPHS[name](adapter, model, representation) for name in model.graphs]
    return {part.name: part for part in parts}
