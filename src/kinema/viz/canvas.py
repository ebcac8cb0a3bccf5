"""A supersampled Pillow picture that knows how to draw a ground, a soft shadow, a solid body and a ghost."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFilter
from scipy.spatial import ConvexHull

from kinema.viz.camera import Camera
from kinema.viz.figure import Chain, Figure
from kinema.viz.style import Colour, Palette, Theme, mix, rgb

Spots = Float[np.ndarray, "joint 4"]
Pose = Float[np.ndarray, "joint 3"]
Spot = Float[np.ndarray, "4"]
Ink = Colour | int  # of a picture, or of a mask
_RIM = 0.0065  # of the body's height: the rim of paper between limbs that cross
_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_CIRCLE = np.stack((np.cos(_TURN), np.sin(_TURN)), -1)
_GROUND_REACH = 1.35  # in picture heights around the target
_GROUND_RINGS = 9
_SHADE = 0.30  # opacity of the shadow of what touches the ground


class Canvas:
    """A picture of `size` pixels, drawn `sharpness` times as large and reduced by `finish`."""

    def __init__(self, size: tuple[int, int], theme: Theme, *, sharpness: int = 3) -> None:
        self.size, self.theme, self.sharpness = size, theme, sharpness
        self.width, self.height = size[0] * sharpness, size[1] * sharpness
        self.image = Image.new("RGB", (self.width, self.height), rgb(theme.panel))
        self._draw = ImageDraw.Draw(self.image)
        self.middle = (self.width / 2, self.height / 2)

    def finish(self) -> Image.Image:
        """The picture in its own size."""
        return self.image.reduce(self.sharpness) if self.sharpness > 1 else self.image

    def spots(self, camera: Camera, places: Float[np.ndarray, "place 3"]) -> Float[np.ndarray, "place 4"]:
        """Pixels across, pixels down, pixels per metre and depth of places."""
        observed = camera.project(places)
        across = self.middle[0] + observed[:, 0] * self.height
        down = self.middle[1] - observed[:, 1] * self.height
        return np.stack((across, down, observed[:, 2] * self.height, observed[:, 3]), -1)

    def ground(self, camera: Camera, floor: float, cell: float) -> None:
        """A grid of square cells (metres) that fades away with the distance from the target."""
        reach = _GROUND_REACH * camera.height
        count = math.ceil(reach / cell)
        corner = np.round(camera.target[[0, 2]] / cell) * cell
        steps = np.arange(-count, count) * cell
        pieces = np.array([(line, step) for line in np.arange(-count, count + 1) * cell for step in steps])
        along = np.stack((pieces, pieces + np.array([0.0, cell])), 1)
        flat = np.concatenate((along, along[..., ::-1])) + corner
        ends = np.insert(flat, 1, floor, axis=-1)
        spots = self.spots(camera, ends.reshape(-1, 3)).reshape(-1, 2, 4)
        away = np.linalg.norm(flat.mean(1) - camera.target[[0, 2]], axis=-1) / reach
        width = max(1, round(0.9 * self.sharpness))
        for ring in reversed(range(_GROUND_RINGS)):
            colour = mix(self.theme.grid, self.theme.panel, (ring / _GROUND_RINGS) ** 1.5)
            for start, end in spots[(away * _GROUND_RINGS).astype(int) == ring]:
                if min(start[3], end[3]) > camera.near:
                    self._draw.line((*start[:2], *end[:2]), colour, width)

    def shadow(self, camera: Camera, pose: Pose, figure: Figure, floor: float) -> None:
        """The soft shadow of a body under a light from straight above; what is high casts less."""
        fallen = pose.copy()
        fallen[:, 1] = floor
        spots = self.spots(camera, fallen)
        if not _drawable(spots, camera):
            return
        coarse = 2 * self.sharpness
        mask = Image.new("L", (self.width // coarse + 1, self.height // coarse + 1))
        draw = ImageDraw.Draw(mask)
        height = (pose[:, 1] - floor) / figure.stature
        order = sorted(figure.bones, key=lambda bone: -min(height[bone.parent], height[bone.joint]))
        for bone in order:
            if not np.isfinite(spots[[bone.parent, bone.joint]]).all():
                continue
            ink = _SHADE * math.exp(-2.6 * max(float(height[[bone.parent, bone.joint]].mean()), 0.0))
            radius = 1.7 * bone.radius_parent * spots[bone.joint, 2] / coarse
            ends = [tuple(float(value) / coarse for value in spots[joint, :2]) for joint in (bone.parent, bone.joint)]
            draw.line([*ends[0], *ends[1]], round(255 * ink), max(1, round(2 * radius)))
            for x, y in ends:
                draw.ellipse((x - radius, y - 0.5 * radius, x + radius, y + 0.5 * radius), round(255 * ink))
        blur = 0.022 * figure.stature * float(np.nanmedian(spots[:, 2])) / coarse
        mask = mask.filter(ImageFilter.GaussianBlur(blur)).resize((self.width, self.height), Image.Resampling.BILINEAR)
        self.image.paste(rgb(self.theme.shadow), (0, 0), mask)

    def body(self, camera: Camera, pose: Pose, figure: Figure, palette: Palette) -> None:
        """A solid body: limb after limb from back to front, each with a thin rim of paper around it."""
        spots = self.spots(camera, pose)
        if not _drawable(spots, camera):
            return
        rim, halo = rgb(self.theme.panel), _RIM * figure.stature
        for chain in _back_to_front(figure, spots):
            for grow, colour in (halo, rim), (0.0, rgb(palette.side(chain.side))):
                self._limb(self._draw, chain, spots, grow, colour)
                if chain.side == "spine":
                    self._trunk(self._draw, figure, spots, grow, colour)
                    self._head(self._draw, figure, self._head_spot(camera, pose, figure), grow, colour)

    def ghost(self, camera: Camera, pose: Pose, figure: Figure, palette: Palette, *, opacity: float) -> None:
        """A translucent body in one colour; where its own limbs cross it is no darker."""
        spots = self.spots(camera, pose)
        if not _drawable(spots, camera):
            return
        reach = 0.1 * figure.stature * float(np.nanmax(spots[:, 2]))
        left, top = (int(np.nanmin(spots[:, axis]) - reach) for axis in (0, 1))
        right, bottom = (int(np.nanmax(spots[:, axis]) + reach) for axis in (0, 1))
        box = (max(left, 0), max(top, 0), min(right, self.width), min(bottom, self.height))
        if box[0] >= box[2] or box[1] >= box[3]:
            return
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        draw = ImageDraw.Draw(mask)
        spots = spots - np.array([box[0], box[1], 0.0, 0.0])
        ink = round(255 * opacity)
        for chain in figure.chains:
            self._limb(draw, chain, spots, 0.0, ink, thin=0.78)
        self._trunk(draw, figure, spots, -0.2 * _RIM * figure.stature, ink)
        head = self._head_spot(camera, pose, figure)
        if head is not None:
            self._head(draw, figure, head - np.array([box[0], box[1], 0.0, 0.0]), 0.0, ink)
        self.image.paste(rgb(palette.spine), box, mask)

    def _head_spot(self, camera: Camera, pose: Pose, figure: Figure) -> Spot | None:
        if figure.head is None:
            return None
        spot = self.spots(camera, figure.head.centre(pose)[None])[0]
        return spot if np.isfinite(spot).all() else None

    def _limb(
        self, draw: ImageDraw.ImageDraw, chain: Chain, spots: Spots, grow: float, ink: Ink, *, thin: float = 1.0
    ) -> None:
        for bone in chain.bones:
            start, end = spots[bone.parent], spots[bone.joint]
            if np.isfinite(start).all() and np.isfinite(end).all():
                first = (bone.radius_parent * thin + grow) * start[2]
                second = (bone.radius_joint * thin + grow) * end[2]
                _capsule(draw, start, end, float(first), float(second), ink)

    def _trunk(self, draw: ImageDraw.ImageDraw, figure: Figure, spots: Spots, grow: float, ink: Ink) -> None:
        if figure.trunk is None:
            return
        corners = spots[list(figure.trunk.joints)]
        if np.isfinite(corners).all():
            around = (figure.trunk.radius + grow) * corners[:, 2, None, None] * _CIRCLE
            places = (corners[:, None, :2] + around).reshape(-1, 2)
            draw.polygon([(x, y) for x, y in places[ConvexHull(places).vertices].tolist()], fill=ink)

    def _head(self, draw: ImageDraw.ImageDraw, figure: Figure, spot: Spot | None, grow: float, ink: Ink) -> None:
        if figure.head is not None and spot is not None:
            x, y = float(spot[0]), float(spot[1])
            radius = (figure.head.radius + grow) * float(spot[2])
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)


def _drawable(spots: Spots, camera: Camera) -> bool:
    """Whether any of the body is known, and all that is known is in front of the camera."""
    depth = spots[np.isfinite(spots).all(-1), 3]
    return bool(len(depth)) and bool(depth.min() > camera.near)


def _back_to_front(figure: Figure, spots: Spots) -> list[Chain]:
    """The chains by the mean depth of their joints, the farthest first; ones that are not known come first."""

    def depth(chain: Chain) -> float:
        depths = spots[[bone.joint for bone in chain.bones], 3]
        known = depths[np.isfinite(depths)]
        return float(known.mean()) if len(known) else np.inf

    return sorted(figure.chains, key=depth, reverse=True)


def _capsule(draw: ImageDraw.ImageDraw, start: Spot, end: Spot, first: float, second: float, ink: Ink) -> None:
    """Two discs and the quadrilateral between them."""
    x, y, u, v = float(start[0]), float(start[1]), float(end[0]), float(end[1])
    length = math.hypot(u - x, v - y)
    if length > 1e-6:
        across, down = -(v - y) / length, (u - x) / length
        draw.polygon(
            [
                (x + across * first, y + down * first),
                (u + across * second, v + down * second),
                (u - across * second, v - down * second),
                (x - across * first, y - down * first),
            ],
            fill=ink,
        )
    draw.ellipse((x - first, y - first, x + first, y + first), fill=ink)
    draw.ellipse((u - second, v - second, u + second, v + second), fill=ink)
