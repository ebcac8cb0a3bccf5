"""Weights as Render-In-Between's released code names them -> the names of `RenderInBetweenReleased`.

    input_embed, joints_embed                                         enter, leave
    {encoder,decoder}.layers.N.self_attn.{in_proj_*,out_proj.*}       ....itself.{enter,leave}
    decoder.layers.N.multihead_attn.*                                 ....cross
    ....linear1, linear2, norm1, norm2, norm3                         ....widen, narrow, norms.0, 1, 2
    {encoder,decoder}.norm                                            the same
    convolutions of the critic, in their order (a file of its own)    critic.body

In the released pictures y points down, here up. The weights that read and write y are negated, so that the network
answers the mirrored question with the mirrored answer, and so is the mean of y, where the statistics of the release
come with the weights; features are x and y of joint after joint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_ATTENTION = {
    "in_proj_weight": "enter.weight", "in_proj_bias": "enter.bias",
    "out_proj.weight": "leave.weight", "out_proj.bias": "leave.bias",
}  # fmt: skip
_MODULES = {"linear1": "widen", "linear2": "narrow", "norm1": "norms.0", "norm2": "norms.1", "norm3": "norms.2"}
_PARTS = {
    **{f"self_attn.{old}": f"itself.{new}" for old, new in _ATTENTION.items()},
    **{f"multihead_attn.{old}": f"cross.{new}" for old, new in _ATTENTION.items()},
    **{f"{old}.{end}": f"{new}.{end}" for old, new in _MODULES.items() for end in ("weight", "bias")},
}
_LAYER = re.compile(r"(?:^|\.)(encoder|decoder)\.layers\.(\d+)\.(.+)$")
_NORM = re.compile(r"(?:^|\.)(encoder|decoder)\.norm\.(weight|bias)$")
_OUTER = re.compile(r"(?:^|\.)(input|joints)_embed\.(weight|bias)$")
_CONVOLUTIONS = (1, 3, 5, 8, 10, 13, 15, 18, 20, 23)  # their places in the critic's body


def from_released(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors by our names, and the released names that stand for none."""
    found: dict[str, Tensor] = {}
    unmatched: list[str] = []
    convolutions = iter(_CONVOLUTIONS)
    for name, value in state.items():
        layer, norm, outer = (pattern.search(name) for pattern in (_LAYER, _NORM, _OUTER))
        if outer:
            found[f"{'enter' if outer[1] == 'input' else 'leave'}.{outer[2]}"] = _upright(value, outer[1], outer[2])
        elif norm:
            found[f"{norm[1]}.norm.{norm[2]}"] = value
        elif layer and layer[3] in _PARTS:
            found[f"{layer[1]}.layers.{layer[2]}.{_PARTS[layer[3]]}"] = value
        elif name == "representation.mean":
            found[name] = _upright(value, "joints", "bias")
        elif value.ndim == 4 and (place := next(convolutions, None)):
            found[f"critic.body.{place}.weight"] = value
        else:
            unmatched.append(name)
    return found, unmatched


def _upright(value: Tensor, which: str, end: str) -> Tensor:
    """The map of features with y turned round: the columns that read it, the rows and biases that write it."""
    if which == "input" and end == "bias":
        return value
    axis = 1 if which == "input" else 0
    sign = torch.tensor([1.0, -1.0]).to(value).repeat(value.shape[axis] // 2)
    return value * (sign if axis == 1 or value.ndim == 1 else sign[:, None])
