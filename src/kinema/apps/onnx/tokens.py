"""Graphs over tokens: the tokeniser's encoder and decoder, and one step of the model that predicts the next token.

A step reads all tokens before it, or the last token and a cache of keys and values.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from kinema.apps.onnx.ports import Axis, Example, InUnits, Port, PortedNetwork, Sizes, numbers
from kinema.models.posegpt.inputs import Labels
from kinema.models.posegpt.model import PoseGPT
from kinema.models.posegpt.tokenizer import PoseTokens
from kinema.nn.transformer import Memory, attend
from kinema.representations.base import Representation


class _Encode(InUnits[PoseTokens]):
    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        vectors, mask = self.model.encode_whole(self.representation.standardise(frames), valid)
        _, codes, _ = self.model.quantiser.quantise(vectors, mask)
        return torch.where(mask[..., None], codes, -1)


class _Decode(InUnits[PoseTokens]):
    def forward(self, codes: Tensor) -> Tensor:
        return self.representation.restore(self.model.decode(codes))


def encode_part(tokens: PoseTokens, representation: Representation) -> PortedNetwork:
    """The part "encode": codes of motion."""
    frames, width = f"{tokens.factor}*token", representation.width
    inputs = (
        Port("frames", ("batch", frames, width), "float32", "motion"),
        Port("valid", ("batch", frames), "bool", "False on padding at the end"),
    )
    says = f"from 0 to {tokens.codes - 1}; -1 on padding"
    outputs = (Port("codes", ("batch", "token", tokens.books), "int64", says),)
    return PortedNetwork(
        "encode", "Codes of motion.", _Encode(tokens, representation), inputs, outputs, numbers(inputs)
    )


def decode_part(tokens: PoseTokens, representation: Representation) -> PortedNetwork:
    """The part "decode": motion from codes."""
    inputs = (Port("codes", ("batch", "token", tokens.books), "int64", "-1 for no code"),)
    axes: tuple[Axis, ...] = ("batch", f"{tokens.factor}*token", representation.width)

    def example(sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        return {"codes": torch.randint(tokens.codes, inputs[0].shape(sizes), generator=generator)}

    outputs = (Port("frames", axes, "float32", "motion"),)
    return PortedNetwork("decode", "Motion from codes.", _Decode(tokens, representation), inputs, outputs, example)


class _Conditioned(nn.Module):
    """A step of the model. All randomness is in the input `uniform`."""

    def __init__(self, model: PoseGPT) -> None:
        super().__init__()
        self.model = model

    def conditions(self, action: Tensor | None, frames: Tensor | None) -> tuple[Labels, bool]:
        """The conditions, and whether the rows are doubled for guidance, the second half without an action."""
        of_action, of_length = self.model.inputs.embed(action, frames)
        if self.model.config.choice.guidance == 1 or of_action is None:
            return (of_action, of_length), False
        twice = None if of_length is None else torch.cat((of_length, of_length))
        return (torch.cat((of_action, 0 * of_action)), twice), True


class _Step(_Conditioned):
    """The next token of every row, from all tokens before it."""

    def forward(
        self, tokens: Tensor, uniform: Tensor, action: Tensor | None = None, frames: Tensor | None = None
    ) -> Tensor:
        labels, guided = self.conditions(action, frames)
        if guided:
            tokens = torch.cat((tokens, tokens))
        hidden = self.model.run(self.model.inputs(tokens, labels))[:, -1]
        return self.model.choose(hidden, uniform, guided=guided)


class _CachedStep(_Conditioned):
    """The next token of every row, from the last token and the cache."""

    def forward(
        self, last: Tensor, cache: Tensor, uniform: Tensor, action: Tensor | None = None, frames: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        labels, guided = self.conditions(action, frames)
        last = torch.cat((last, last)) if guided else last
        first = cache.shape[2]
        nothing = torch.arange(first, first + 1)[:, None] == 0  # no token came before: `last` is ignored
        x = torch.where(nothing, self.model.inputs(last[:, :0], labels), self.model.inputs(last, labels, first=first))
        memories = [_Past(past) for past in cache.unbind(0)]
        hidden = self.model.run(x, cast("list[Memory]", memories))[:, -1]
        grown = torch.stack([memory.pairs for memory in memories])
        return self.model.choose(hidden, uniform, guided=guided), grown


class _Past(Memory):
    """The given keys and values, and those of the new token behind them."""

    def __init__(self, past: Tensor) -> None:
        self.length, self.pairs = past.shape[1], past

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        self.pairs = torch.cat((self.pairs, torch.cat((key, value), -1)), 1)
        keys, values = self.pairs.chunk(2, -1)
        return attend(query, keys, values, heads)


def step_part(model: PoseGPT, actions: tuple[str, ...]) -> PortedNetwork:
    """The part "step": the next token."""
    inputs = [
        Port(
            "tokens", ("batch", "token", model.books), "int64", f"the tokens so far, at most {model.config.block - 1}"
        ),
        *_conditions(model),
    ]
    says = "The next token from those before it (none at first). Repeat for every token, then run the part decode."
    return PortedNetwork(
        "step", says, _Step(model), tuple(inputs), (_next(model),), _example(model, inputs), _notes(model, actions)
    )


def cached_part(model: PoseGPT, actions: tuple[str, ...]) -> PortedNetwork:
    """The part "cached": the next token, with a cache of keys and values that goes in and out."""
    rows = "2*batch" if model.config.choice.guidance != 1 and model.inputs.action_table is not None else "batch"
    config = model.config
    held = f"keys and values of every block for the tokens so far, at most {config.block - 1}; none at first"
    inputs = [
        Port("last", ("batch", 1, model.books), "int64", "the last token; at first, any value"),
        Port("cache", (config.layers, rows, "token", 2 * config.width), "float32", held),
        *_conditions(model),
    ]
    grown = Port("grown", (config.layers, rows, "token+1", 2 * config.width), "float32", "the cache of the next pass")
    says = "The next token from the last one and the cache. Repeat for every token, then run the part decode."
    return PortedNetwork(
        "cached", says, _CachedStep(model), tuple(inputs), (_next(model), grown), _example(model, inputs),
        _notes(model, actions),
    )  # fmt: skip


def _conditions(model: PoseGPT) -> list[Port]:
    """The inputs of every step besides tokens."""
    chance = "random numbers, uniform from 0 to 1: the only randomness"
    ports = [Port("uniform", ("batch", model.books), "float32", chance)]
    if model.inputs.action_table is not None:
        ports.append(Port("action", ("batch", model.inputs.classes), "float32", "weights of `actions`, of sum 1"))
    if model.inputs.length_table is not None:
        ports.append(Port("frames", ("batch",), "int64", "the number of frames of the motion"))
    return ports


def _next(model: PoseGPT) -> Port:
    ended = "; the number of codes: the motion ends here" if model.config.ending == "eos" else ""
    return Port("next", ("batch", model.books), "int64", f"the next token{ended}")


def _notes(model: PoseGPT, actions: tuple[str, ...]) -> dict[str, Any]:
    return {"books": model.books, "codes": model.codes, "frames_per_token": model.factor, "actions": list(actions)}


def _example(model: PoseGPT, inputs: list[Port]) -> Example:
    def example(sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        made: dict[str, Tensor] = {}
        for port in inputs:
            shape = port.shape(sizes)
            if port.name in ("tokens", "last"):
                made[port.name] = torch.randint(model.codes, shape, generator=generator)
            elif port.name == "action":
                made[port.name] = torch.eye(shape[1])[torch.arange(shape[0]) % shape[1]]
            elif port.name == "frames":
                made[port.name] = torch.full(shape, 2 * model.factor * (sizes["token"] + 1))
            else:
                made[port.name] = torch.rand(shape, generator=generator)
        return made

    return example
