"""A body in a picture: the pinhole view that protocols of keypoints use, one camera for each window.

The picture is 1,000 x 1,000 pixels with y down; the camera looks at the middle of the hips' mean place from four metres
away, from any side, tilted a little.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from kinema.geometry import camera
from kinema.motion.motion import Points

SIZE, DISTANCE, FOCAL = 1000.0, 4.0, 1000.0  # pixels, metres, pixels
PIXELS_PER_METRE = FOCAL / DISTANCE  # in the middle of the body
TILT = math.radians(15)


def project(points: Points, seed: int) -> Points:
    """The points (batch shape (window,)) in pixels, each window from a side of its own: any yaw, tilt to 15 degrees.

    The camera does not move during a window and looks at the mean position of the root.
    """
    generator = torch.Generator().manual_seed(seed)
    count = len(points.positions)
    yaw = torch.rand(count, generator=generator) * 2 * math.pi
    tilt = (torch.rand(count, generator=generator) * 2 - 1) * TILT
    centre = points.positions[:, :, :1].mean(1, keepdim=True)
    in_view = (points.positions - centre) @ camera.view(yaw, tilt)[:, None].transpose(-1, -2)
    flat = camera.project(in_view, focal=FOCAL, distance=DISTANCE, border=FOCAL * 10)
    return replace(points, positions=SIZE / 2 + flat * flat.new_tensor([1.0, -1.0]))
