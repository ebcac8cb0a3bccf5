"""The published stochastic benchmarks on recordings that need a licence: what each one is, given its recordings.

`takes` gives recordings as joint positions in metres, y up or z up (no measure depends on it), with `action` set to the
group that rows and the motion distance go by: the action (Human3.6M, HumanEva) or the data set (AMASS).
"""

from __future__ import annotations

from kinema.protocols.stochastic.protocol import StochasticProtocol, Takes
from kinema.protocols.stochastic.published import AMASS_STOCHASTIC, H36M_STOCHASTIC, HUMANEVA_STOCHASTIC


def h36m_stochastic(takes: Takes) -> StochasticProtocol:
    """Human3.6M: 17 joints at 50 Hz, S9 and S11 tested; 0.5 s observed, 2 s predicted."""
    return StochasticProtocol(
        name="h36m-stochastic",
        what="50 futures of 2 s from 0.5 s on Human3.6M, as published; needs your own licensed copy",
        takes=takes,
        fps=50.0,
        observed=25,
        predicted=100,
        stride=25,
        published=H36M_STOCHASTIC,
        anchors=(("ADE", 0.597), ("FDE", 0.884), ("MMADE", 0.683), ("MMFDE", 0.909), ("APDE", 8.085), ("CMD", 22.812)),
        options=("classifier",),
        notes=("The literature counts 5187 or 5168 windows here; why they differ is not known.",),
    )


def humaneva_stochastic(takes: Takes) -> StochasticProtocol:
    """HumanEva-I: 15 joints at 60 Hz, the validation takes tested; 0.25 s observed, 1 s predicted."""
    return StochasticProtocol(
        name="humaneva-stochastic",
        what="50 futures of 1 s from 0.25 s on HumanEva-I, as published; needs your own copy",
        takes=takes,
        fps=60.0,
        observed=15,
        predicted=60,
        stride=15,
        published=HUMANEVA_STOCHASTIC,
        notes=("HumanMAC's published row draws half of its samples without the observation; see the row below it.",),
    )


def amass_stochastic(takes: Takes) -> StochasticProtocol:
    """AMASS: 22 joints at 60 Hz, seven of its sets tested; 0.5 s observed, 2 s predicted.

    BeLFusion's list predicts from frame 180 on every 120 frames, so windows begin at 150: `takes` leaves the first 150
    frames of every file out.
    """
    return StochasticProtocol(
        name="amass-stochastic",
        what="50 futures of 2 s from 0.5 s on AMASS, as published; needs your own licensed copy",
        takes=takes,
        fps=60.0,
        observed=30,
        predicted=120,
        stride=120,
        threshold=0.4,
        published=AMASS_STOCHASTIC,
        anchors=(("ADE", 0.755), ("FDE", 0.992), ("MMADE", 0.814), ("MMFDE", 1.015), ("CMD", 39.262)),
        notes=("The published list has 12727 windows.",),
    )
