"""Published numbers for motion from action labels, shown beside our own; none is comparable.

HumanAct12 rows are evaluated on the training set by a classifier with a random state (ACTOR's protocol); the MMD rows
are of 2-D Human3.6M. All were written down from memory: "recalled". Of PoseGPT's own tables nothing could be read.
"""

from __future__ import annotations

from kinema.protocols.score_report import PublishedScores

_HUMANACT12 = "HumanAct12, ACTOR's protocol: another classifier, evaluated on the training set"
_H36M = "Human3.6M in 2-D, 10 actions, 50 frames"


def _row(method: str, fid: float, accuracy: float, diversity: float, multimodality: float) -> PublishedScores:
    scores = {"fid": fid, "accuracy": accuracy, "diversity": diversity, "multimodality": multimodality}
    return PublishedScores(f"{method}, HumanAct12", "recalled", scores, note=_HUMANACT12)


def _mmd(method: str, average: float, sequence: float, provenance: str = "recalled") -> PublishedScores:
    return PublishedScores(method, provenance, {"mmd_a": average, "mmd_s": sequence}, note=_H36M)


ACTION_PUBLISHED: tuple[PublishedScores, ...] = (
    _row("real", 0.020, 0.997, 6.85, 2.45),
    _row("Action2Motion", 0.338, 0.917, 6.88, 2.51),
    _row("ACTOR", 0.120, 0.955, 6.84, 2.53),
    _row("INR", 0.088, 0.973, 6.88, 2.57),
    _row("MDM", 0.100, 0.990, 6.86, 2.52),
    _row("MLD", 0.077, 0.964, 6.83, 2.82),
)
MMD_PUBLISHED: tuple[PublishedScores, ...] = (
    _mmd("E2E", 0.991, 0.805),
    _mmd("EPVA", 0.996, 0.806),
    _mmd("adv-EPVA", 0.977, 0.792),
    _mmd("SkeletonVAE", 0.452, 0.467),
    _mmd("SkeletonGAN", 0.419, 0.436),
    _mmd("ActionGAN", 0.195, 0.218),
    _mmd("SA-GCN", 0.146, 0.134, "leaderboard"),
)
