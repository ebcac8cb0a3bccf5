"""One self-contained HTML page of motion: it opens from disk, needs no network, and draws on a plain 2-D canvas.

Positions travel as 16-bit steps in base64 (the step, well below a millimetre for a body in a room, is in the page),
at no more than 30 frames per second (ghosts 15); the page interpolates between them.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kinema.core.atomic import write_text
from kinema.viz.camera import shot_of
from kinema.viz.figure import Figure
from kinema.viz.layers import Drawable, Layer, Panel, duration_of, panel_of
from kinema.viz.raster import cell_of
from kinema.viz.style import KEY, PALE, THEMES, Theme

MOST_FPS = 30.0
MOST_GHOST_FPS = 15.0
_STEPS = 32767
_UNKNOWN = -32768  # the step for an unknown value (NaN)
_PATH_STEP = 0.1  # seconds between two places of the camera's path


def panel_data(panel: Panel) -> dict[str, Any]:
    """A panel as the page's script reads it."""
    shot = shot_of(panel.layers, aspect=1.0)
    duration = duration_of(panel.layers)
    times = np.arange(0.0, duration + _PATH_STEP, _PATH_STEP)
    camera = shot.camera
    return {
        "title": panel.title,
        "caption": panel.caption,
        "boundary": panel.boundary,
        "known": [[round(start, 4), round(end, 4)] for start, end in _known(panel)],
        "words": list(panel.words),
        "duration": round(duration, 6),
        "floor": round(shot.floor, 5),
        "cell": cell_of(shot.stature),
        "camera": {
            "azimuth": round(camera.azimuth, 5),
            "elevation": round(camera.elevation, 5),
            "height": round(camera.height, 5),
            "lens": round(camera.lens, 5),
        },
        "path": {"step": _PATH_STEP, "places": [np.round(shot.at(time).target, 4).tolist() for time in times]},
        "layers": [_layer(layer) for layer in panel.layers],
    }


def _known(panel: Panel) -> Sequence[tuple[float, float]]:
    return panel.known or ([(0.0, panel.boundary)] if panel.boundary is not None else ())


def _layer(layer: Layer) -> dict[str, Any]:
    positions, fps = _thinned(layer)
    used = layer.figure.joints
    positions = positions[:, :, used]
    known = np.isfinite(positions)
    low = np.array([_edge(positions[..., axis], np.nanmin) for axis in range(3)])
    high = np.array([_edge(positions[..., axis], np.nanmax) for axis in range(3)])
    origin, scale = (low + high) / 2, max(float((high - low).max()) / 2 / _STEPS, 1e-9)
    steps = np.round((positions - origin) / scale)
    packed = np.where(known, np.nan_to_num(steps), _UNKNOWN).astype("<i2")
    bodies, frames, joints, _ = packed.shape
    return {
        "name": layer.name,
        "role": layer.role,
        "start": round(layer.start, 6),
        "fps": fps,
        "bodies": bodies,
        "frames": frames,
        "joints": joints,
        "origin": np.round(origin, 7).tolist(),
        "scale": scale,
        "figure": _figure(layer.figure, {joint: place for place, joint in enumerate(used)}),
        "data": base64.b64encode(packed.tobytes()).decode(),
    }


def _edge(values: np.ndarray, function: Any) -> float:
    return float(function(values)) if np.isfinite(values).any() else 0.0


def _thinned(layer: Layer) -> tuple[np.ndarray, float]:
    """Positions at no more than the rate of their role, taken on the time axis so that the duration stays."""
    positions, fps = layer.bodies, layer.points.fps
    most = MOST_GHOST_FPS if layer.role == "ghost" else MOST_FPS
    if fps <= most:
        return positions, fps
    frames = max(1, round(layer.points.frames * most / fps))
    place = np.minimum(np.arange(frames) * layer.points.frames / frames, layer.points.frames - 1)
    before = place.astype(int)
    after, share = np.minimum(before + 1, layer.points.frames - 1), (place - before)[:, None, None]
    return positions[:, before] * (1 - share) + positions[:, after] * share, frames / layer.points.frames * fps


def _figure(figure: Figure, place: dict[int, int]) -> dict[str, Any]:
    head, trunk = figure.head, figure.trunk
    return {
        "stature": round(figure.stature, 4),
        "chains": [
            {
                "side": chain.side,
                "bones": [
                    [place[bone.parent], place[bone.joint], round(bone.radius_parent, 4), round(bone.radius_joint, 4)]
                    for bone in chain.bones
                ],
            }
            for chain in figure.chains
        ],
        "trunk": trunk and {"joints": [place[joint] for joint in trunk.joints], "radius": round(trunk.radius, 4)},
        "head": head
        and {
            "first": place[head.first],
            "second": place[head.second],
            "weight": round(head.weight, 4),
            "radius": round(head.radius, 4),
        },
    }


def theme_data(theme: Theme) -> dict[str, Any]:
    """The colours that the canvas is painted in."""
    roles = {name: {"left": p.left, "right": p.right, "spine": p.spine} for name, p in theme.roles.items()}
    return {"panel": theme.panel, "grid": theme.grid, "shadow": theme.shadow, "pale": PALE, "key": KEY, "roles": roles}


@dataclass(frozen=True)
class PageTable:
    """A table beside the motion: the first column names the row. Cells are rounded text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Link:
    """A file beside the page, by its relative path, with a note on what it is."""

    path: str
    note: str = ""


@dataclass(frozen=True)
class Note:
    """A line on what made the motion: a trained `model`, or a method in its place."""

    text: str
    model: bool = True


@dataclass(frozen=True)
class Section:
    """A part of a page: heading, lead, notes, panels and their table.

    `size` is how large a panel is: "large", "medium", or "small" (titles alone, for a grid of many).
    """

    title: str
    panels: Sequence[Drawable]
    lead: str = ""
    notes: Sequence[Note] = ()
    table: PageTable | None = None
    size: Literal["large", "medium", "small"] = "medium"


def page(
    panels: Sequence[Drawable],
    path: Path | str,
    *,
    title: str,
    lead: str = "",
    table: PageTable | None = None,
    links: Sequence[Link] = (),
) -> None:
    """Write the page, atomically: panels that share one clock and one view, a table below them, links to files."""
    write_text(path, page_text(panels, title=title, lead=lead, table=table, links=links))


def page_text(
    panels: Sequence[Drawable],
    *,
    title: str,
    lead: str = "",
    table: PageTable | None = None,
    links: Sequence[Link] = (),
) -> str:
    """The page as text."""
    shape = {1: " single", 2: " pairs", 4: " pairs"}.get(len(panels), "")
    body = f'<div class="panels{shape}"></div>' + (_table(table) if table else "")
    return _filled(title, lead, body, [panels], links)


def sections_text(sections: Sequence[Section], *, title: str, lead: str = "", links: Sequence[Link] = ()) -> str:
    """A page of several sections, with a line of links to them; all panels share one clock and one view."""
    jumps = "".join(f'<a href="#{_anchor(one)}">{html.escape(one.title)}</a>' for one in sections)
    body = f'<nav class="jumps" aria-label="Sections">{jumps}</nav>' + "".join(_section(one) for one in sections)
    return _filled(title, lead, body, [one.panels for one in sections], links, level=3)


def _filled(
    title: str, lead: str, body: str, groups: Sequence[Sequence[Drawable]], links: Sequence[Link], level: int = 2
) -> str:
    scenes: list[dict[str, Any]] = [
        {**panel_data(panel_of(panel)), "group": group} for group, panels in enumerate(groups) for panel in panels
    ]
    fps = max(layer["fps"] for scene in scenes for layer in scene["layers"])
    themes = {name: theme_data(theme) for name, theme in THEMES.items()}
    data = {"fps": fps, "level": level, "themes": themes, "panels": scenes}
    parts = {
        "title": html.escape(title),
        "lead": f"<p>{html.escape(lead)}</p>" if lead else "",
        "style": _part("page.css").replace("{{variables}}", _variables()),
        "body": body,
        "links": _links(links) if links else "",
        # "<" would let a name end the script element.
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "script": _part("draw.js") + _part("play.js"),
    }
    text, *rest = _part("page.html").split("{{")
    for piece in rest:
        name, tail = piece.split("}}", 1)
        text += parts[name] + tail
    return text


def _section(section: Section) -> str:
    lead = f"<p>{html.escape(section.lead)}</p>" if section.lead else ""
    notes = "".join(
        f'<li class="{"model" if note.model else "stand-in"}">{html.escape(note.text)}</li>' for note in section.notes
    )
    about = f'<div><h2>{html.escape(section.title)}</h2>{lead}<ul class="notes">{notes}</ul></div>'
    panels = f'<div class="panels {section.size}"></div>' if section.panels else '<div class="panels" hidden></div>'
    table = _table(section.table) if section.table else ""
    return (
        f'<section class="verb" id="{_anchor(section)}"><div class="about-verb">{about}{table}</div>{panels}</section>'
    )


def _anchor(section: Section) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in section.title.lower()).strip("-")


def _part(name: str) -> str:
    return resources.files("kinema.viz.page").joinpath(name).read_text(encoding="utf-8")


def _variables() -> str:
    """The themes as custom properties: the system's choice, unless the reader has chosen."""

    def rules(theme: Theme) -> str:
        names = {"paper": theme.paper, "panel": theme.panel, "ink": theme.ink, "muted": theme.muted, "grid": theme.grid}
        names["accent"] = theme.roles["forecast"].left
        for role, palette in theme.roles.items():
            names |= {f"{role}-left": palette.left, f"{role}-right": palette.right, f"{role}-spine": palette.spine}
        known = "var(--muted) 0 var(--split, 100%), var(--accent) var(--split, 100%)"
        names["track"] = f"linear-gradient(90deg, {known})"
        return f"color-scheme: {theme.name}; " + " ".join(f"--{name}: {value};" for name, value in names.items())

    light, dark = rules(THEMES["light"]), rules(THEMES["dark"])
    return (
        f":root {{ {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
        f':root[data-theme="light"] {{ {light} }}\n:root[data-theme="dark"] {{ {dark} }}'
    )


def _table(table: PageTable) -> str:
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.columns)
    rows = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in table.rows
    )
    caption = f"<caption>{html.escape(table.caption)}</caption>" if table.caption else ""
    return (
        f'<section class="sheet" aria-label="Numbers" tabindex="0"><table>{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _links(links: Sequence[Link]) -> str:
    items = "".join(
        f'<li><a href="{html.escape(link.path)}">{html.escape(Path(link.path).name)}</a>'
        + (f" <span>{html.escape(link.note)}</span>" if link.note else "")
        + "</li>"
        for link in links
    )
    return f'<nav class="links" aria-label="Files"><ul>{items}</ul></nav>'
