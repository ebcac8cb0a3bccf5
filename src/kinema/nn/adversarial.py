"""Losses of adversarial training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


def real_or_fake(real: Float[Tensor, "*batch"], fake: Float[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """The discriminator's loss: cross-entropy of its logits on real samples against 1 plus on fake ones against 0."""
    return passes_for_real(real) + functional.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def passes_for_real(fake: Float[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """The generator's loss: cross-entropy of the discriminator's logits against 1 (the form that does not saturate)."""
    return functional.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Float[Tensor, "batch *rest"], fake: Float[Tensor, "batch *rest"]
) -> Float[Tensor, ""]:
    """WGAN-GP (Gulrajani 2017, eq. 3): mean of (|gradient| - 1)^2 at points drawn evenly between real and fake."""
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    between = (real + share * (fake - real)).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def real_gradient(logits: Float[Tensor, "batch"], real: Float[Tensor, "batch *rest"]) -> Float[Tensor, ""]:
    """R1 (Mescheder 2018, eq. 9, without the factor 1/2): mean squared gradient of the logits at real samples.

    `real` must require gradients and `logits` must have been computed from it.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean()


@contextlib.contextmanager
def fixed(module: nn.Module | None) -> Generator[None]:
    """What is computed inside has gradients through the module, and none of its weights (which halves the backward)."""
    weights = [] if module is None else [weight for weight in module.parameters() if weight.requires_grad]
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
