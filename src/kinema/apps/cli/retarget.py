"""`kinema retarget`: a motion on another body."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import note
from kinema.core.errors import unknown_name

if TYPE_CHECKING:
    from kinema.motion.motion import Motion
    from kinema.motion.retargeting import Pairing
    from kinema.motion.skeleton import Skeleton


def retarget_file(
    source: Path,
    target: str,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    map_: Annotated[Path | None, Parameter(name="--map")] = None,
    lock_feet_: Annotated[bool, Parameter(name="--lock-feet", negative="")] = False,
    unit: float | None = None,
    target_unit: float | None = None,
    source_fps: float | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Retarget a motion to another body: `kinema retarget walk.bvh character.bvh -o out.bvh`.

    Joints are matched by name, each is rotated away from a common T-pose as its counterpart is, and the root trajectory
    is scaled by the length of the legs. Frames and rate are those of SOURCE, the skeleton that of TARGET.

    Parameters
    ----------
    source
        The motion: BVH, NPZ (positions too: they become rotations by inverse kinematics) or exponential-map text.
    target
        A motion file on the body that is wanted, or the name of a skeleton (smpl24, lafan22, cmu38 ...).
    out
        Where to write: .bvh, .npz, .csv, .glb. Default: SOURCE.retargeted.bvh in this folder.
    map_
        A TOML file that says which joint is which, where names fail (docs/retarget.md).
    lock_feet_
        Keep feet that stand where they stand.
    unit
        Metres per unit of SOURCE, where the file does not have it (BVH): 0.01 for centimetres.
    target_unit
        The same for TARGET.
    source_fps
        Frames per second of SOURCE, where the file has no rate or a wrong one.
    as_json
        Write on standard output, as JSON, what was matched and what was written.
    """
    from kinema.io.formats import load_clip, save
    from kinema.motion.feet.contacts import foot_contacts
    from kinema.motion.feet.lock import lock_feet
    from kinema.motion.motion import Motion
    from kinema.motion.retargeting import pair_joints, retarget
    from kinema.motion.retargeting.joint_map import read_joint_map

    clip, body = load_clip(source, unit=unit, fps=source_fps), _body(target, target_unit)
    there = body.skeleton if isinstance(body, Motion) else body
    if map_ is not None:
        here, there = read_joint_map(map_).of_both(clip.skeleton, there)
        clip, body = replace(clip, skeleton=here), replace(body, skeleton=there) if isinstance(body, Motion) else there
    pairing, moved = pair_joints(clip.skeleton, there), retarget(clip, body)
    if lock_feet_:
        moved = lock_feet(moved, None if clip.batch_shape else foot_contacts(clip))
    path = out or Path(f"{source.stem}.retargeted.bvh")
    save(moved, path)
    _report(path, moved, pairing, as_json=as_json)


def _body(target: str, unit: float | None) -> Motion | Skeleton:
    from kinema.io.formats import load_clip
    from kinema.motion.motion import Points
    from kinema.motion.skeletons import SKELETONS, skeleton

    path = Path(target)
    if not path.exists() and target in SKELETONS:
        return skeleton(target)
    if not path.exists() and path.suffix == "":
        raise unknown_name("motion file, or a skeleton", target, SKELETONS)
    clip = load_clip(path, unit=unit)
    return clip.skeleton if isinstance(clip, Points) else clip


def _report(path: Path, moved: Motion, pairing: Pairing, *, as_json: bool) -> None:
    if as_json:
        json.dump({"file": str(path), "frames": moved.frames, "fps": moved.fps, **asdict(pairing)}, sys.stdout)
        print()
        return
    for line in pairing.lines():
        note(line)
    joints = len(moved.skeleton)
    print(f"{path}: {moved.frames} frames of {joints} joints at {moved.fps:g} per second")
