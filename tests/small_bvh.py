"""A small body as a BVH, and rows of numbers that fit it."""

from __future__ import annotations

SMALL_BVH = """HIERARCHY
ROOT Hips
{
\tOFFSET 0.0 0.0 0.0
\tCHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
\tJOINT Spine
\t{
\t\tOFFSET 0.0 50.0 0.0
\t\tCHANNELS 3 Yrotation Zrotation Xrotation
\t\tJOINT Head
\t\t{
\t\t\tOFFSET 0.0 25.0 1.5
\t\t\tCHANNELS 3 Zrotation Xrotation Yrotation
\t\t\tEnd Site
\t\t\t{
\t\t\t\tOFFSET 0.0 15.0 0.0
\t\t\t}
\t\t}
\t}
\tJOINT LeftUpLeg
\t{
\t\tOFFSET 10.0 -5.0 0.0
\t\tCHANNELS 3 Zrotation Xrotation Yrotation
\t\tJOINT LeftFoot
\t\t{
\t\t\tOFFSET 0.0 -80.0 0.0
\t\t\tCHANNELS 3 Zrotation Xrotation Yrotation
\t\t\tEnd Site
\t\t\t{
\t\t\t\tOFFSET 0.0 -5.0 14.0
\t\t\t}
\t\t}
\t}
}
"""
SMALL_BVH_CHANNELS = 18


def small_bvh_rows(frames: int) -> list[str]:
    """Rows of numbers that fit `SMALL_BVH`: every channel moves, each in its own way."""
    return [
        " ".join(
            f"{(90.0 if channel == 1 else 0.0) + 3.0 * ((frame * (channel + 2)) % 17) - 20.0:.4f}"
            for channel in range(SMALL_BVH_CHANNELS)
        )
        for frame in range(frames)
    ]
