"""Weights as siMLPe's released checkpoints name them -> the names here.

    motion_fc_in.{weight,bias}                        enter
    motion_mlp.mlps.N.fc0.fc.{weight,bias}            blocks.N.mix (over time)
    motion_mlp.mlps.N.norm0.{alpha,beta}              blocks.N.norm; [1, F, 1] there, [F] here
    motion_fc_out.{weight,bias}                       leave

The older checkpoints say motion_transformer.transformer.N for motion_mlp.mlps.N: only the number and what stands behind
it are read. Features are metres of the same joints in the same order and axes, so nothing else changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_ENDS = {"alpha": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}
_BLOCK = re.compile(r"(?:^|\.)(\d+)\.(fc|norm)\w*(?:\.\w+)*?\.(alpha|beta|weight|bias)$")
_OUTER = re.compile(r"(?:^|\.)(?:\w+_)?fc_(in|out)\.(weight|bias)$")


def from_released(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors by the names of `SiMLPe`, and the released names that stand for none."""
    found: dict[str, Tensor] = {}
    unmatched: list[str] = []
    for name, value in state.items():
        if outer := _OUTER.search(name):
            found[f"{'enter' if outer[1] == 'in' else 'leave'}.{outer[2]}"] = value
        elif block := _BLOCK.search(name):
            part = "mix" if block[2] == "fc" else "norm"
            found[f"blocks.{block[1]}.{part}.{_ENDS[block[3]]}"] = value.flatten() if part == "norm" else value
        else:
            unmatched.append(name)
    return found, unmatched
