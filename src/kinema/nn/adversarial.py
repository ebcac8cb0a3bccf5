"""Losses of adversarial training."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def real_or_fake(real: Float[Tensor, "*batch"], fake: Float[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """The critic's loss: cross-entropy of its logits on real samples against 1 plus on fake ones against 0."""
    return passes_for_real(real) + functional.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def passes_for_real(fake: Float[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """The maker's loss: cross-entropy of the critic's logits against 1 (the form that does not saturate)."""
    return functional.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def half_squares(parameters: list[Tensor]) -> Float[Tensor, ""]:
    """Half the sum of squares of the weights: what TensorFlow calls an l2 regulariser."""
    return 0.5 * torch.stack([weight.square().sum() for weight in parameters]).sum()
