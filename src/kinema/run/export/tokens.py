"""Graphs of motion as codes: a tokeniser's two halves, and one step of the model that says the next token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinema.models.posegpt import PoseGPT
from kinema.models.posegpt_tokens import PoseTokens
from kinema.motion.represent import Representation
from kinema.run.export.ports import Axis, Part, Port, Sizes, numbers


class _Encode(nn.Module):
    def __init__(self, tokens: PoseTokens, representation: Representation) -> None:
        super().__init__()
        self.tokens, self.representation = tokens, representation

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        vectors, mask = self.tokens.encode_whole(self.representation.standardise(frames), valid)
        _, codes, _ = self.tokens.quantiser.quantise(vectors, mask)
        return torch.where(mask[..., None], codes, -1)


class _Decode(nn.Module):
    def __init__(self, tokens: PoseTokens, representation: Representation) -> None:
        super().__init__()
        self.tokens, self.representation = tokens, representation

    def forward(self, codes: Tensor) -> Tensor:
        return self.representation.restore(self.tokens.decode(codes))


def encode_part(tokens: PoseTokens, representation: Representation) -> Part:
    """The part "encode": codes of motion."""
    frames, width = f"{tokens.factor}*token", representation.width
    inputs = (
        Port("frames", ("batch", frames, width), "float32", "motion"),
        Port("valid", ("batch", frames), "bool", "False on padding at the end"),
    )
    says = f"from 0 to {tokens.codes - 1}; -1 on padding"
    outputs = (Port("codes", ("batch", "token", tokens.books), "int64", says),)
    network = _Encode(tokens, representation)
    return Part("encode", "Codes of motion.", network, inputs, outputs, numbers(inputs))


def decode_part(tokens: PoseTokens, representation: Representation) -> Part:
    """The part "decode": motion of codes."""
    inputs = (Port("codes", ("batch", "token", tokens.books), "int64", "-1 where there is none"),)
    axes: tuple[Axis, ...] = ("batch", f"{tokens.factor}*token", representation.width)

    def example(sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        return {"codes": torch.randint(tokens.codes, inputs[0].shape(sizes), generator=generator)}

    outputs = (Port("frames", axes, "float32", "motion"),)
    return Part("decode", "Motion of codes.", _Decode(tokens, representation), inputs, outputs, example)


class _Step(nn.Module):
    """The next token of every row. All chance is in `uniform`."""

    def __init__(self, model: PoseGPT) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, tokens: Tensor, uniform: Tensor, action: Tensor | None = None, frames: Tensor | None = None
    ) -> Tensor:
        model = self.model
        guided = model.config.choice.guidance != 1 and action is not None
        told = model.inputs.tell(action, frames)
        if guided and told[0] is not None:
            told = (torch.cat((told[0], 0 * told[0])), None if told[1] is None else torch.cat((told[1], told[1])))
            tokens = torch.cat((tokens, tokens))
        hidden = model.run(model.inputs(tokens, told))[:, -1]
        return model.choose(hidden, uniform, guided=guided)


def step_part(model: PoseGPT, actions: tuple[str, ...]) -> Part:
    """The part "step": the next token."""
    tables = model.inputs
    chance = "numbers drawn evenly from 0 to 1: all the chance there is"
    inputs = [
        Port("tokens", ("batch", "token", model.books), "int64", f"those so far, at most {model.config.block - 1}"),
        Port("uniform", ("batch", model.books), "float32", chance),
    ]
    if tables.action_table is not None:
        inputs.append(Port("action", ("batch", tables.classes), "float32", "weights of `actions`, of sum 1"))
    if tables.length_table is not None:
        inputs.append(Port("frames", ("batch",), "int64", "how many frames the motion will have"))
    ended = "; the number of codes: the motion ends here" if model.config.ending == "eos" else ""
    outputs = (Port("next", ("batch", model.books), "int64", f"the next token{ended}"),)

    def example(sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        batch = sizes["batch"]
        made = {"tokens": torch.randint(model.codes, inputs[0].shape(sizes), generator=generator)}
        made["uniform"] = torch.rand(batch, model.books, generator=generator)
        if tables.action_table is not None:
            made["action"] = torch.eye(tables.classes)[torch.arange(batch) % tables.classes]
        if tables.length_table is not None:
            made["frames"] = torch.full((batch,), 2 * model.factor * (sizes["token"] + 1))
        return made

    notes = {"books": model.books, "codes": model.codes, "frames_per_token": model.factor, "actions": list(actions)}
    says = "The next token from those before it (none at first). Make as many as are wanted, then ask the part decode."
    return Part("step", says, _Step(model), tuple(inputs), outputs, example, notes)
