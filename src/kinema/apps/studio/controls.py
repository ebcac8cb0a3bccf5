"""The controls of one page, which of them a verb uses, and the question that they make."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import viser

from kinema.apps.studio.desk import Desk, Question, Upload
from kinema.apps.studio.guard import check_value
from kinema.core.constants import Verb
from kinema.pipeline.requests import (
    ForecastRequest,
    GenerateRequest,
    InbetweenRequest,
    RepairRequest,
    Request,
    UpsampleRequest,
)

_WORDS: dict[Verb, str] = {
    "forecast": "Forecast: what comes next",
    "inbetween": "In-between: fill between key frames",
    "upsample": "Upsample: add frames",
    "repair": "Repair: fix damaged frames",
    "generate": "Generate: from an action",
}
_USED: dict[Verb, tuple[str, ...]] = {
    "forecast": ("known", "seconds", "samples", "seed"),
    "inbetween": ("every", "samples", "seed"),
    "upsample": ("rate",),
    "repair": ("strength",),
    "generate": ("action", "seconds", "samples", "seed", "temperature"),
}
_LONGEST = 3600.0  # seconds of a clip that a slider covers


@dataclass(eq=False)
class Asking:
    """The part of the page that makes a question."""

    gui: viser.GuiApi
    desk: Desk
    guarded: Callable[[Callable[[object], None]], Callable[[Any], None]]

    def __post_init__(self) -> None:
        gui, verbs = self.gui, self.desk.verbs()
        self._fps = 30.0
        self._verbs: dict[str, Verb] = {_WORDS[verb]: verb for verb in verbs}
        self.verb = gui.add_dropdown("Do", tuple(self._verbs))
        self.model = gui.add_dropdown("Model", self.desk.menu(verbs[0]))
        self.fields: dict[str, Any] = {
            "action": gui.add_dropdown("Action", ("",)),
            "known": gui.add_slider("Known, s", 0.0, 1.0, 0.01, 1.0, hint="How much of the clip the model observes"),
            "seconds": gui.add_slider("Length, s", 0.1, 10.0, 0.1, 1.0, hint="Length of the answer"),
            "every": gui.add_slider("Key every, s", 0.1, 3.0, 0.05, 0.5, hint="The model fills the frames between"),
            "rate": gui.add_slider("Times as many frames", 1.0, 16.0, 0.5, 4.0),
            "strength": gui.add_slider("Strength", 0.25, 4.0, 0.25, 1.0, hint="Higher: smaller faults count as damage"),
            "samples": gui.add_slider("Samples", 1, 12, 1, 1),
            "seed": gui.add_number("Seed", 0, min=0, max=2**31 - 1, step=1, hint="Same seed, same motion"),
            "temperature": gui.add_slider("Temperature", 0.0, 2.0, 0.05, 1.0, hint="0: always the most likely"),
        }
        self.verb.on_update(self.guarded(lambda _: self._verb_changed()))
        self.model.on_update(self.guarded(lambda _: self._model_changed()))
        self._verb_changed()

    @property
    def question(self) -> Question:
        """The current question. Raises UsageError for impossible values."""
        for field in (self.verb, self.model, *self.fields.values()):
            check_value(field, field.value)
        now: dict[str, Any] = {name: field.value for name, field in self.fields.items()}
        request: Request
        match self.wanted:
            case "forecast":
                request = ForecastRequest(now["seconds"], now["samples"], now["seed"])
            case "inbetween":
                request = InbetweenRequest(every=self.every, samples=now["samples"], seed=now["seed"])
            case "upsample":
                request = UpsampleRequest(rate=now["rate"], seed=now["seed"])
            case "repair":
                request = RepairRequest(strength=now["strength"], seed=now["seed"])
            case "generate":
                request = GenerateRequest(
                    now["action"], seconds=now["seconds"], samples=now["samples"], seed=now["seed"]
                )
        part = now["known"] < self.fields["known"].max - 0.005
        return Question(self.model.value, request, now["known"] if part else 0.0, now["temperature"])

    def take(self, upload: Upload) -> None:
        """Set the sliders to the length of an opened clip."""
        self._fps = upload.clip.fps
        length = round(min(max(upload.clip.frames / upload.clip.fps, 0.02), _LONGEST), 2)
        self.fields["known"].max = length
        self.fields["known"].value = length

    @property
    def wanted(self) -> Verb:
        """The verb."""
        return self._verbs[self.verb.value]

    @property
    def every(self) -> int:
        """The frames from one key to the next, where no keys are set."""
        return max(2, round(self.fields["every"].value * self._fps))

    def _verb_changed(self) -> None:
        menu = self.desk.menu(self.wanted)
        self.model.options = menu
        if self.model.value not in menu:
            self.model.value = menu[0]
        self._model_changed()

    def _model_changed(self) -> None:
        model = self.desk.open(self.model.value)
        used = set(_USED[self.wanted])
        if not model.has_temperature:
            used.discard("temperature")
        if model.deterministic:
            used -= {"samples", "seed"}
            self.fields["samples"].value = 1
        if self.wanted == "generate":
            self.fields["action"].options = model.actions or ("",)
        for name, field in self.fields.items():
            field.visible = name in used


@dataclass(eq=False)
class Playing:
    """The part of the page that plays."""

    gui: viser.GuiApi

    def __post_init__(self) -> None:
        gui = self.gui
        self.play = gui.add_button("Pause", icon=viser.Icon.PLAYER_PAUSE)
        self.time = gui.add_slider("Time, s", 0.0, 1.0, 0.01, 0.0)
        self.speed = gui.add_dropdown("Speed", ("0.25x", "0.5x", "1x", "2x"), initial_value="1x")
        self.on = True
        self.play.on_click(lambda _: self.run(on=not self.on))

    @property
    def pace(self) -> float:
        """Seconds of motion per second."""
        return float(cast("str", self.speed.value).rstrip("x"))

    def run(self, *, on: bool) -> None:
        """Play or pause."""
        self.on = on
        self.play.label = "Pause" if on else "Play"
        self.play.icon = viser.Icon.PLAYER_PAUSE if on else viser.Icon.PLAYER_PLAY


@dataclass(eq=False)
class Viewing:
    """The part of the page that says what is drawn, and how."""

    gui: viser.GuiApi

    def __post_init__(self) -> None:
        gui = self.gui
        self.arrangement = gui.add_dropdown("Bodies", ("overlaid", "side by side"))
        self.truth = gui.add_checkbox("Ground truth", initial_value=True, hint="Or the original clip")
        self.keep = gui.add_checkbox("Compare with this answer", initial_value=False, visible=False)
        self.dark = gui.add_checkbox("Dark", initial_value=False)


@dataclass(eq=False)
class Taking:
    """The part of the page that hands out files."""

    gui: viser.GuiApi
    hand: Callable[[str], None]

    def __post_init__(self) -> None:
        self.sample = self.gui.add_slider("Sample", 1, 2, 1, 1, visible=False)
        self.whole = self.gui.add_checkbox("With the known part", initial_value=True, visible=False)
        self.kind = self.gui.add_button_group("Save as", ("BVH", "GLB", "NPZ"))
        self.kind.on_click(lambda event: self.hand(str(event.target.value).lower()))

    def offer(self, samples: int, *, forecast: bool) -> None:
        """Show the controls for an answer."""
        self.whole.visible = forecast
        self.sample.visible = samples > 1
        self.sample.value = 1
        self.sample.max = max(samples, 2)


def words(text: str, *, tone: str) -> str:
    """Untrusted text (a file name, an error) as a paragraph of HTML. `tone` is "bad", "plain" or "quiet"."""
    edge = {"bad": "#d1483f", "plain": "#12a17f", "quiet": "transparent"}[tone]
    style = (
        f"border-left:3px solid {edge};padding:2px 10px;margin:2px 12px 6px;font-size:12.5px;line-height:1.45;"
        "white-space:pre-line;overflow-wrap:anywhere"
    )
    return f'<div class="kinema-{tone}" role="status" style="{style}">{html.escape(text)}</div>'
