"""The table of protocols, and `register` for others."""

from __future__ import annotations

from kinema.core.errors import unknown_name
from kinema.protocols.base import Protocol
from kinema.protocols.forecasting.cmu import CMU_LEGACY, CMU_PHYSICAL
from kinema.protocols.forecasting.h36m import H36M_LEGACY
from kinema.protocols.generation.actions import ACTION_GENERATION, ACTION_GENERATION_BANDAI2, MMD_LEGACY
from kinema.protocols.generation.tokens import TOKENS
from kinema.protocols.inbetweening.gaps import LAFAN1, OPEN_INBETWEEN
from kinema.protocols.inbetweening.render_in_between import RIB
from kinema.protocols.inbetweening.upsampling import UPSAMPLE_GRID
from kinema.protocols.stochastic.protocol import (
    AMASS_STOCHASTIC,
    H36M_STOCHASTIC,
    HUMANEVA_STOCHASTIC,
    OPEN_STOCHASTIC,
)

PROTOCOLS: dict[str, Protocol] = {
    "cmu-legacy": CMU_LEGACY,
    "cmu-physical": CMU_PHYSICAL,
    "h36m-legacy": H36M_LEGACY,
    "open-stochastic": OPEN_STOCHASTIC,
    "h36m-stochastic": H36M_STOCHASTIC,
    "humaneva-stochastic": HUMANEVA_STOCHASTIC,
    "amass-stochastic": AMASS_STOCHASTIC,
    "lafan1": LAFAN1,
    "open-inbetween": OPEN_INBETWEEN,
    "rib": RIB,
    "upsample-grid": UPSAMPLE_GRID,
    "action-generation": ACTION_GENERATION,
    "action-generation-bandai2": ACTION_GENERATION_BANDAI2,
    "mmd-legacy": MMD_LEGACY,
    "tokens": TOKENS,
}


def register(protocol: Protocol) -> None:
    """Add a protocol under its name; it replaces one of the same name."""
    PROTOCOLS[protocol.name] = protocol


def named(protocol: str) -> Protocol:
    """The protocol of that name. Raises UsageError for an unknown one."""
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    return PROTOCOLS[protocol]
