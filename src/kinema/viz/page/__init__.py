"""One self-contained HTML page of motion: it opens from disk, needs no network, and draws on a plain 2-D canvas."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from kinema.core.atomic import write_text
from kinema.viz.layers import Drawable, panel_of
from kinema.viz.page.data import panel_data, theme_data
from kinema.viz.style import THEMES, Theme


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
