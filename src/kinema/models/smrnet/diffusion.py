"""Diffusion: noise schedules, prediction targets, and the solvers that go from noise to data.

A level t of 0 .. steps - 1 means x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) e, e ~ N(0, I), with a_t (`alpha_bar`) falling
from nearly 1 to nearly 0. Clean data have a = 1 and no level.

Ho et al. 2020 (DDPM), Song et al. 2021 (DDIM), Salimans and Ho 2022 (v), Lu et al. 2022 (DPM-Solver++, the
second-order multistep form 2M), Lugmayr et al. 2022 (RePaint, the completion).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError

Schedule = Literal["cosine", "linear", "sqrt", "sigmoid"]
Prediction = Literal["epsilon", "x0", "v"]
Solver = Literal["ddpm", "ddim", "dpm++"]
Denoise = Callable[[Tensor, int], Tensor]  # (x_t, t) -> the network's output
_FAINTEST = 1e-4  # below this a_t there is only noise, and a predicted noise would be divided by nearly zero


def alpha_bars(schedule: Schedule, steps: int = 1000) -> Float[Tensor, " step"]:
    """a_t of every level, float64.

    "linear": variances from 1e-4 to 0.02 added per step. The others give a(s) for s in 0 .. 1 and add at most 0.999 per
    step: "cosine" cos^2((s + 0.008) / 1.008 pi / 2); "sqrt" 1 - sqrt(s + 1e-4); "sigmoid" a logistic curve from -3 to 3
    of temperature 0.7.
    """
    if schedule == "linear":
        return torch.cumprod(1 - torch.linspace(1e-4, 0.02, steps, dtype=torch.float64), 0)
    s = torch.arange(steps + 1, dtype=torch.float64) / steps
    if schedule == "cosine":
        curve = torch.cos((s + 0.008) / 1.008 * math.pi / 2).square()
    elif schedule == "sqrt":
        curve = (1 - torch.sqrt(s + 1e-4)).clamp(min=0)
    else:
        ends = torch.sigmoid(torch.tensor([-3.0, 3.0], dtype=torch.float64) / 0.7)
        curve = (ends[1] - torch.sigmoid((6 * s - 3) / 0.7)) / (ends[1] - ends[0])
    added = (1 - curve[1:] / curve[:-1]).clamp(0, 0.999)
    return torch.cumprod(1 - added, 0)


def noised(
    x0: Float[Tensor, "*b"], noise: Float[Tensor, "*b"], alpha_bar: Float[Tensor, "*#b"] | float
) -> Float[Tensor, "*b"]:
    """sqrt(a) x_0 + sqrt(1 - a) e."""
    kept, added = _roots(alpha_bar)
    return kept * x0 + added * noise


def target(
    prediction: Prediction, x0: Float[Tensor, "*b"], noise: Float[Tensor, "*b"], alpha_bar: Float[Tensor, "*#b"] | float
) -> Float[Tensor, "*b"]:
    """The network's target: the noise, the data, or v = sqrt(a) e - sqrt(1 - a) x_0."""
    if prediction == "epsilon":
        return noise
    if prediction == "x0":
        return x0
    kept, added = _roots(alpha_bar)
    return kept * noise - added * x0


def data_of(
    prediction: Prediction, output: Float[Tensor, "*b"], x: Float[Tensor, "*b"], alpha_bar: Float[Tensor, "*#b"] | float
) -> Float[Tensor, "*b"]:
    """The x_0 that follows from the network's output at x_t."""
    if prediction == "x0":
        return output
    kept, added = _roots(alpha_bar)
    return (x - added * output) / kept if prediction == "epsilon" else kept * x - added * output


def levels(alpha_bar: Float[Tensor, " step"], steps: int, last: Literal["clean", "noisy"]) -> tuple[int, ...]:
    """The levels at which the network is evaluated, falling.

    "clean": `steps` levels, evenly spaced from the noisiest at which some of the data is left (a >= 1e-4); the last
    step leads to clean data, so every number of steps works. "noisy" is the stride of the released codes of HumanMAC
    and SMRNet: 1, 1 + N/steps, ... and a last step to level 0, which is returned last and not evaluated.
    Raises UsageError for a number of steps that does not divide N ("noisy"), or beyond the levels.
    """
    count = len(alpha_bar)
    if last == "noisy":
        if not 1 <= steps < count or count % steps:
            nearest = min((n for n in range(1, count) if count % n == 0), key=lambda n: abs(n - steps))
            raise UsageError(
                expected=f"a number of steps that divides {count}",
                got=str(steps),
                cure=f"Set steps to {nearest}, or last_step to clean, which takes any number.",
            )
        return (*range(count - count // steps + 1, 0, -(count // steps)), 0)
    top = int((alpha_bar >= _FAINTEST).sum()) - 1
    if not 1 <= steps <= top:
        cure = f"Set steps to {min(max(steps, 1), top)}."
        raise UsageError(expected=f"from 1 to {top} steps", got=str(steps), cure=cure)
    return tuple(round(top * (steps - step) / steps) for step in range(steps))


@dataclass(frozen=True, eq=False)
class DiffusionSampler:
    """Sampling from noise to data.

    `alpha_bar` holds a_t of all levels, `steps` is the number of network evaluations. `solver` "ddpm" draws new noise
    at every step (the distribution of the full chain at any number of steps); "ddim" draws none; "dpm++" draws none and
    uses the last two outputs for a second-order step. `last` as in `levels`.
    """

    alpha_bar: Float[Tensor, " step"]
    steps: int
    prediction: Prediction = "epsilon"
    solver: Solver = "ddim"
    last: Literal["clean", "noisy"] = "clean"

    def run(
        self,
        denoise: Denoise,
        start: Float[Tensor, "*b"],
        *,
        draw: Callable[[], Tensor],
        estimate: Callable[[Tensor], Tensor] | None = None,
        state: Callable[[Tensor, float], Tensor] | None = None,
    ) -> Float[Tensor, "*b"]:
        """The data that sampling from `start` ~ N(0, I) ends in.

        `draw` gives fresh N(0, I) of the same shape (for "ddpm"). `estimate` may correct every predicted x_0, `state`
        every x after a step, given its a: there known values are put in.
        """
        steps_at = levels(self.alpha_bar, self.steps, self.last)
        ends = [float(self.alpha_bar[level]) for level in steps_at] + ([1.0] if self.last == "clean" else [])
        x, before, gap = start, None, 0.0
        for place, (here, there) in enumerate(itertools.pairwise(ends)):
            x0 = data_of(self.prediction, denoise(x, steps_at[place]), x, here)
            x0 = estimate(x0) if estimate else x0
            used, width = x0, _log_ratio(there) - _log_ratio(here)
            if self.solver == "dpm++" and before is not None and there < 1:
                used = x0 + width / (2 * gap) * (x0 - before)
            x = self._step(x, used, here, there, draw)
            before, gap = x0, width
            x = state(x, there) if state else x
        return x

    def _step(self, x: Tensor, x0: Tensor, here: float, there: float, draw: Callable[[], Tensor]) -> Tensor:
        noise = (x - math.sqrt(here) * x0) / math.sqrt(1 - here)
        left = 1 - there
        if self.solver != "ddpm" or there == 1:
            return math.sqrt(there) * x0 + math.sqrt(left) * noise
        fresh = left / (1 - here) * (1 - here / there)  # the posterior's variance
        return math.sqrt(there) * x0 + math.sqrt(max(left - fresh, 0.0)) * noise + math.sqrt(fresh) * draw()


def _roots(alpha_bar: Tensor | float) -> tuple[Tensor, Tensor] | tuple[float, float]:
    if isinstance(alpha_bar, Tensor):
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    return math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)


def _log_ratio(alpha_bar: float) -> float:
    """Half the logarithm of signal over noise."""
    return 0.5 * math.log(alpha_bar / (1 - alpha_bar)) if alpha_bar < 1 else math.inf
