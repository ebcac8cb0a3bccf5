"""The type in which a training step computes matrix products, by what the recipe and the machine allow.

A step in bfloat16 is faster only where the processor multiplies it. Elsewhere torch converts back and forth, and a step
takes 8 to 50 times as long as in float32 (measured with AVX2). So "auto" is bfloat16 where the hardware has it
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

PrecisionName = Literal["auto", "float32", "bfloat16"]

# The levels of ONEDNN_MAX_CPU_ISA that have bfloat16 products; every lower one converts.
_ONEDNN_BF16 = ("ALL", "DEFAULT", "AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX512_CORE_AMX", "AVX10")


@dataclass(frozen=True)
class Precision:
    """The type that is taken, and why. `emulated` where the machine lacks an instruction for it."""

    taken: Literal["float32", "bfloat16"]
    why: str
    emulated: bool = False

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context of a forward pass: in bfloat16 matrix products are in that type, everything else in float32."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.taken == "bfloat16")

    def facts(self) -> dict[str, str]:
        """The entry in config.json and in the log."""
        return {"taken": self.taken, "why": self.why}

    def warn(self) -> None:
        """Warn where a step will take many times as long as in float32."""
        if self.emulated:
            warnings.warn(
                f"bfloat16 is emulated here, a step takes 8 to 50 times as long as in float32 ({self.why}). To use "
                "float32, start a new run with precision auto or float32.",
                KinemaWarning,
                stacklevel=2,
            )


def precision_of(name: PrecisionName, device: torch.device) -> Precision:
    """The precision of a new run on this device."""
    native, why = native_bfloat16(device)
    if name == "auto":
        return Precision("bfloat16" if native else "float32", why)
    return Precision(name, "the recipe says so", emulated=name == "bfloat16" and not native)


def precision_of_run(name: PrecisionName, device: torch.device, begun: object) -> Precision:
    """The precision of a run. A resumed run keeps its own: `begun` is the entry in its config.json, None for none.

    Without an entry (a new run, or a run before there was "auto") it is `precision_of`. Raises CheckpointError for an
    entry that cannot be read.
    """
    if begun is None:
        return precision_of(name, device)
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
    """Whether the device multiplies bfloat16 in hardware, and with what unit, or what is missing."""
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
    """`has` are the processor's capabilities, `vectors` is the level that torch's own kernels are limited to."""
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
