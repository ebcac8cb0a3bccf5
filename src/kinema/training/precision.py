"""In which type a training step computes matrix products: what a recipe asks for, and what the machine has.

In bfloat16 a step is faster only where the processor multiplies it. Elsewhere torch converts back and forth, and a
step takes 8 to 50 times as long as in float32 (measured with AVX2). So "auto" is bfloat16 where the hardware has it
(AVX512-BF16 or AMX, Arm BF16, CUDA from Ampere on) and float32 elsewhere.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch

from kinema.core.errors import CheckpointError, KinemaWarning

Wish = Literal["auto", "float32", "bfloat16"]
"""What a recipe can ask for."""

# The levels of ONEDNN_MAX_CPU_ISA that have bfloat16 products; every lower one converts.
_ONEDNN_BF16 = ("ALL", "DEFAULT", "AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX512_CORE_AMX", "AVX10")


@dataclass(frozen=True)
class Precision:
    """The type that is taken, and why. `emulated` where the machine has no instruction for it."""

    taken: Literal["float32", "bfloat16"]
    why: str
    emulated: bool = False

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context of a forward pass: in bfloat16 matrix products are in that type, everything else in float32."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.taken == "bfloat16")

    def facts(self) -> dict[str, str]:
        """What config.json and the log say."""
        return {"taken": self.taken, "why": self.why}

    def warn(self) -> None:
        """Say so where a step will take many times as long as it has to."""
        if self.emulated:
            warnings.warn(
                f"bfloat16 is emulated here, a step takes 8 to 50 times as long as in float32 ({self.why}). To use "
                "float32, start a new run with precision auto or float32.",
                KinemaWarning,
                stacklevel=2,
            )


def precision_of(wish: Wish, device: torch.device) -> Precision:
    """What a new run takes on this device."""
    native, why = native_bfloat16(device)
    if wish == "auto":
        return Precision("bfloat16" if native else "float32", why)
    return Precision(wish, "the recipe says so", emulated=wish == "bfloat16" and not native)


def precision_of_run(wish: Wish, device: torch.device, begun: object) -> Precision:
    """What a run takes. One that is resumed keeps what it began with: `begun` is the entry in its config.json.

    Where nothing is written (a new run, or one of a kinema that had no "auto") it is `precision_of`. Raises
    CheckpointError for an entry that cannot be read.
    """
    if begun is None:
        return precision_of(wish, device)
    match begun:
        case {"taken": "float32", "why": str(why)}:
            return Precision("float32", why)
        case {"taken": "bfloat16", "why": str(why)}:
            return Precision("bfloat16", why, emulated=not native_bfloat16(device)[0])
        case _:
            raise CheckpointError(
                expected="a run that began in float32 or bfloat16",
                got=f"precision {begun!r} in its config.json",
                cure="Start a new run in another folder.",
            )


def native_bfloat16(device: torch.device) -> tuple[bool, str]:
    """Whether the device multiplies bfloat16 in hardware, and by what, or what it lacks."""
    if device.type == "cuda":
        there = torch.cuda.is_bf16_supported(including_emulation=False)
        return there, f"{torch.cuda.get_device_name(device)} {'multiplies' if there else 'emulates'} bfloat16"
    if device.type != "cpu":
        return False, f"kinema uses float32 on {device.type}"
    return native_bfloat16_on_cpu(
        _capabilities(), torch.backends.cpu.get_cpu_capability(), os.environ, torch.backends.mkldnn.is_available()
    )


def native_bfloat16_on_cpu(
    has: Mapping[str, Any], vectors: str, environment: Mapping[str, str], onednn: bool
) -> tuple[bool, str]:
    """`has` is what the processor can do, `vectors` the level that torch's own kernels were limited to."""
    if not onednn:
        return False, "this build of torch has no oneDNN, which multiplies bfloat16"
    unit = next((words for flag, words in _UNITS.items() if has.get(flag)), None)
    if unit is None:
        return False, "this processor has neither AVX512-BF16 nor AMX nor Arm BF16: it would emulate bfloat16"
    if unit == "Arm BF16":
        return True, f"this processor has {unit}"
    if vectors in ("DEFAULT", "AVX2"):
        return False, f"ATEN_CPU_CAPABILITY limits torch to {vectors.lower()}: it would emulate bfloat16"
    limit = environment.get("ONEDNN_MAX_CPU_ISA") or environment.get("DNNL_MAX_CPU_ISA") or "DEFAULT"
    if not limit.upper().startswith(_ONEDNN_BF16):
        return False, f"ONEDNN_MAX_CPU_ISA={limit} leaves bfloat16 out: it would be emulated"
    return True, f"this processor has {unit}"


_UNITS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16", "bf16": "Arm BF16"}


def _capabilities() -> Mapping[str, Any]:
    ask = cast("Callable[[], Mapping[str, Any]] | None", getattr(torch.cpu, "get_capabilities", None))
    return ask() if ask else {}
