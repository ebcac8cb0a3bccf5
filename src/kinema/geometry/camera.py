"""Pinhole projection. World and camera are right-handed with y up; the camera looks along -z at the origin.

Pictures here have y up as well and their middle at 0; with focal length and distance alike, a unit in the plane of the
origin is a metre. (Render-In-Between's released code has z up and y down; see the ledger.)
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.rotations import euler_to_rotmat

NEAREST = 0.1  # of the camera's distance: nothing is taken to be nearer


def project(
    points: Float[Tensor, "*b 3"], *, focal: float = 4.0, distance: float = 4.0, border: float = 10.0
) -> Float[Tensor, "*b 2"]:
    """Picture coordinates of points in metres, from a camera `distance` metres before the origin.

    u = focal x / max(distance - z, 0.1 distance), v likewise of y; both are clipped to +-`border`. Raises UsageError
    where a length is not positive.
    """
    if not (focal > 0 and distance > 0 and border > 0):
        raise UsageError(
            expected="a focal length, a distance and a border above 0",
            got=f"{focal}, {distance}, {border}",
            cure="Give lengths in metres, such as focal=4, distance=4.",
        )
    depth = (distance - points[..., 2:]).clamp_min(NEAREST * distance)
    return (focal * points[..., :2] / depth).clamp(-border, border)


def view(yaw: Float[Tensor, "*b"], tilt: Float[Tensor, "*b"]) -> Float[Tensor, "*b 3 3"]:
    """The rotation that shows a body which faces +z from `yaw` (about y, first) and from above by `tilt` (about x)."""
    return euler_to_rotmat(torch.stack((tilt, yaw, torch.zeros_like(yaw)), -1), "XYZ")
