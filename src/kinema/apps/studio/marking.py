"""The part of a page that sets constraints: keys, pins, a path on the floor, loop and floor; with undo."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import viser

from kinema.apps.studio.desk import AnswerFrames, Upload
from kinema.apps.studio.marks import MOST, Entry, History, Marks, checked_point
from kinema.apps.studio.stage import ClientScene
from kinema.core.errors import KinemaError, UsageError
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton

_LIMBS = ("r_wrist", "l_wrist", "r_ankle", "l_ankle", "head", "pelvis", "r_elbow", "l_elbow", "r_knee", "l_knee")
_TOGETHER = 1.0  # seconds within which moves of one control are one step of undo
_NONE: str = "nothing yet"


class Spot(NamedTuple):
    """Where a page is: the answer's frames, the clock, the open file, the body that is shown, the keys by default."""

    grid: AnswerFrames
    time: float
    upload: Upload | None
    points: Points
    every: int | None

    @property
    def frame(self) -> int:
        """The frame of the answer that is shown. Raises UsageError where the clock is outside the answer."""
        return self.grid.frame(self.time)

    def keys(self, marks: Marks) -> tuple[int, ...]:
        """The frames of the key poses; without any, an in-between has every Nth frame and the last."""
        found, count = marks.keys(), self.grid.frames
        if found or not self.every or count > self.every * (MOST - 2):
            return found
        return tuple(sorted({*range(0, count, self.every), count - 1}))


class Marking:
    """The controls of the constraints of one page, and their handles in its scene."""

    def __init__(
        self,
        gui: viser.GuiApi,
        stage: ClientScene,
        spot: Callable[[], Spot],
        guarded: Callable[[Callable[[Any], None]], Callable[[Any], None]],
    ) -> None:
        self.stage, self.spot, self.guarded = stage, spot, guarded
        self.history = History()
        self._last, self._drawing = ("", 0.0), False
        self.joint: viser.GuiDropdownHandle[str] = gui.add_dropdown("Joint", [*_LIMBS])
        self.pin = gui.add_button("Pin the joint here", icon=viser.Icon.PIN, hint="At this Time; then drag its handle")
        self.draw = gui.add_button("Draw a path", icon=viser.Icon.ROUTE, hint="Each click on the floor adds a point")
        self.loop = gui.add_checkbox("Loop", initial_value=False, hint="The last frame continues into the first")
        self.floor = gui.add_checkbox("Floor", initial_value=False, hint="No joint goes through it")
        self.height = gui.add_number("Floor height, m", 0.0, min=-100.0, max=100.0, step=0.01, visible=False)
        self.set_: viser.GuiDropdownHandle[str] = gui.add_dropdown("Set", [_NONE])
        self.place = gui.add_vector3("Place, m", (0.0, 0.0, 0.0), step=0.01, visible=False, hint="x, y (up), z")
        self.remove = gui.add_button("Remove", icon=viser.Icon.TRASH, disabled=True)
        self.save = gui.add_button("Save constraints", icon=viser.Icon.DOWNLOAD, hint="Open a file reads it")
        self.pin.on_click(guarded(lambda _: self.pin_here()))
        self.draw.on_click(guarded(lambda _: self.draw_path(on=not self._drawing)))
        self.remove.on_click(guarded(lambda _: self._removed()))
        self.set_.on_update(guarded(self._by_hand(self._chosen)))
        self.place.on_update(guarded(self._by_hand(self._placed)))
        for switch in (self.loop, self.floor, self.height):
            switch.on_update(guarded(self._by_hand(self._switched)))

    def timeline(self, gui: viser.GuiApi) -> None:
        """The controls that stand beside the clock."""
        self.keys = gui.add_multi_slider("Keys, s", 0.0, 1.0, 0.01, (), visible=False, hint="Drag a key")
        self.key = gui.add_button("Set or remove a key here", icon=viser.Icon.KEY, hint="K")
        self.steps = gui.add_button_group("Constraints", ("Undo", "Redo"))
        self.key.on_click(self.guarded(lambda _: self.key_here()))
        self.keys.on_update(self.guarded(self._by_hand(self._keys_moved)))
        self.steps.on_click(self.guarded(lambda event: self.step(back=event.target.value == "Undo")))

    @property
    def marks(self) -> Marks:
        """What is set."""
        return self.history.now

    def set(self, marks: Marks, control: str = "") -> None:
        """Set other marks; moves of one `control` soon after each other are one step of undo."""
        now = time.monotonic()
        again = bool(control) and self._last[0] == control and now - self._last[1] < _TOGETHER
        self._last = (control, now)
        self.history.set(marks, step=not again)
        self.show()

    def step(self, *, back: bool) -> None:
        """Undo or redo."""
        self._last = ("", 0.0)
        if self.history.undo() if back else self.history.redo():
            self.show()

    def pin_here(self) -> None:
        """Pin the chosen joint where it is now."""
        spot = self.spot()
        joint = str(self.joint.value)
        place = spot.points.positions[spot.frame, spot.points.skeleton.index(joint)].tolist()
        self.set(self.marks.with_pin(joint, spot.frame, place))

    def key_here(self) -> None:
        """Keep the pose that the open file has now; where there is a key, remove it."""
        spot = self.spot()
        frame, keys = spot.frame, spot.keys(self.marks)
        if spot.upload is None:
            raise UsageError(expected="an open file, whose pose the key takes", got="none", cure="Press Open a file.")
        own, file, clip = spot.every is not None, spot.upload.name, spot.upload.clip
        if frame in keys:
            rest = [key for key in keys if key != frame]
            self.set(
                self.marks.with_keys(rest, file, own=True)
                if own
                else self.marks.without(next(p for p, e in enumerate(self.marks.entries) if e.get("frame") == frame))
            )
            return
        source = frame if own else round(spot.time * clip.fps)
        if source >= clip.frames:
            raise UsageError(
                expected=f"a time at which {file} has a pose, up to {clip.frames / clip.fps:.2f} s",
                got=f"{spot.time:.2f} s",
                cure="Move Time back, or Known.",
            )
        self.set((self.marks.with_keys(keys, file, own=True) if own else self.marks).with_key(frame, file, source))

    def draw_path(self, *, on: bool) -> None:
        """Add a point of the path at each click on the floor, or stop that."""
        if on == self._drawing:
            return
        if on:
            self.spot()  # a body is needed
            self.stage.client.scene.on_click()(self._click)
        else:
            self.stage.client.scene.remove_click_callback(self._click)
        self._drawing = on
        self.draw.label = "Stop drawing" if on else "Draw a path"

    def fit(self, frames: int) -> None:
        """Spread a drawn path over an answer of so many frames."""
        self.history.set(self.marks.fitted(frames), step=False)

    def joints_of(self, skeleton: Skeleton) -> None:
        """Offer the joints of a skeleton, limbs first."""
        known = {*skeleton.joints, *skeleton.aliases}
        named = {skeleton.index(name) for name in _LIMBS if name in known}
        others = [joint for joint in skeleton.joints if skeleton.index(joint) not in named]
        options = (*(name for name in _LIMBS if name in known), *others)
        if options != tuple(self.joint.options):
            self.joint.options = options

    def show(self) -> None:
        """Show what is set: the list, the switches, the keys, and the handles in the scene."""
        marks = self.marks
        try:
            spot = self.spot()
        except KinemaError:  # no answer yet
            spot = None
        labels = marks.labels(spot.grid if spot else AnswerFrames(0.0, 30.0, 1)) or (_NONE,)
        if labels != tuple(self.set_.options):
            newer = len(labels) >= len(self.set_.options)
            self.set_.options = labels
            self.set_.value = labels[-1] if newer else labels[0]
        self.remove.disabled = not marks.entries
        self.loop.value, self.floor.value = marks.has("loop"), marks.has("ground")
        self.height.visible = marks.has("ground")
        self._chosen(None)
        self._show_keys(spot)
        if spot is not None:
            self.stage.mark([(h.position, self._name(h.place, h.row)) for h in marks.handles], self._moved)

    def _show_keys(self, spot: Spot | None) -> None:
        keys = spot.keys(self.marks) if spot else ()
        self.keys.visible = bool(keys)
        if spot is not None and keys:
            self.keys.value = ()
            self.keys.max = max(round(self.stage.duration, 2), 0.02)
            self.keys.value = tuple(min(round(spot.grid.time(key), 2), self.keys.max) for key in keys)

    def _name(self, place: int, row: int) -> str:
        entry = self.marks.entries[place]
        return str(entry["joint"]) if entry["kind"] == "pin" and row == 0 else ""

    def _moved(self, number: int, position: Any) -> None:
        def move(_: None) -> None:
            if number < len(self.marks.handles):  # or it was removed meanwhile
                self.set(self.marks.moved(self.marks.handles[number], position))

        self.guarded(move)(None)

    def _click(self, event: viser.SceneClickEvent) -> None:
        self.guarded(self._clicked)(event)

    def _clicked(self, event: viser.SceneClickEvent) -> None:
        ray = checked_point(event.ray_origin), checked_point(event.ray_direction)
        spot, place = self.spot(), self.stage.floor_at(*ray)
        if place is None:
            raise UsageError(expected="a click on the floor", got="one beside it", cure="Click on the grid.")
        marks = self.marks
        if marks.path is None:  # a path starts where the body is
            x, _, z = spot.points.positions[0, 0].tolist()
            marks = marks.with_point(x, z, spot.grid.frames)
        self.set(marks.with_point(*place, spot.grid.frames))

    def _switched(self, event: Any) -> None:
        if event.target is self.loop:
            self.set(self.marks.switched({"kind": "loop"}, on=bool(self.loop.value)))
        else:
            ground = {"kind": "ground", "height": round(float(self.height.value), 4)}
            self.set(self.marks.switched(ground, on=bool(self.floor.value)), control="floor")

    def _selected(self) -> int:
        """The place of the constraint that is chosen in the list; -1 for none."""
        options = tuple(self.set_.options)
        return options.index(self.set_.value) if self.marks.entries and self.set_.value in options else -1

    def _chosen(self, _: object) -> None:
        entry: Entry = self.marks.entries[self._selected()] if self._selected() >= 0 else {"kind": ""}
        self.place.visible = entry["kind"] == "pin"
        if entry["kind"] == "pin":
            x, y, z = entry["positions"][0]
            self.place.value = (x, y, z)

    def _placed(self, _: object) -> None:
        handle = next((each for each in self.marks.handles if each.place == self._selected()), None)
        if handle is not None:
            self.set(self.marks.moved(handle, list(self.place.value)), control="place")

    def _removed(self) -> None:
        if self._selected() >= 0:
            self.set(self.marks.without(self._selected()))

    def _keys_moved(self, _: object) -> None:
        spot = self.spot()
        file = spot.upload.name if spot.upload else ""
        frames = [spot.grid.frame(float(time)) for time in self.keys.value]
        self.set(self.marks.with_keys(frames, file, own=spot.every is not None), control="keys")

    @staticmethod
    def _by_hand(step: Callable[[Any], None]) -> Callable[[Any], None]:
        """The step, but not for values that the server itself set."""
        return lambda event: step(event) if event.client is not None else None
