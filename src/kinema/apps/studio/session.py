"""`Session`: one browser page of the studio, with its own clip, question, answer and clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

import viser

from kinema.apps.studio.controls import Asking, Playing, Taking, Viewing, words
from kinema.apps.studio.desk import AnswerFrames, Desk, Question, Reply, Upload, compared, grid_of
from kinema.apps.studio.guard import check_updates, page_words
from kinema.apps.studio.marking import Marking, Spot
from kinema.apps.studio.marks import Marks, are_constraints, read_marks
from kinema.apps.studio.stage import Arrangement, ClientScene
from kinema.core.errors import KinemaError, UsageError
from kinema.pipeline.requests import InbetweenRequest
from kinema.viz.layers import Layer, Panel

Given = TypeVar("Given")
_WELCOME = "Open a motion (BVH, NPZ, or keypoints as JSON), or drop it here."
# viser makes buttons lighter than the given colour, except on a dark page.
_GREEN = {"light": (9, 78, 61), "dark": (14, 122, 96)}
_LEAD = 1.0  # seconds before the forecast at which playing starts
_SLIDER = 0.1  # seconds between two moves of the slider while playing
_ERRORS = 3  # messages that a page shows at once


class Session:
    """The state of one client. Callbacks come from several threads; `_lock` lets one at a time change the stage."""

    def __init__(self, client: viser.ClientHandle, desk: Desk, first: Upload | None = None) -> None:
        self.client, self.desk, self.closed = client, desk, False
        self.upload: Upload | None = None
        self.reply: Reply | None = None
        self.first: Reply | None = None  # what the answer is compared with
        self._errors: list[tuple[str, viser.NotificationHandle]] = []
        self.stage = ClientScene(client)
        self._lock, self._busy, self._complaining = threading.RLock(), threading.Lock(), threading.Lock()
        self._now, self._shown = 0.0, 0.0
        self._build()
        if first is not None:
            self.take(first)

    def take(self, upload: Upload) -> None:
        """Show an opened clip."""
        panel = Panel("clip", (Layer("clip", upload.clip.points(), "truth"),))
        _ = panel.layers[0].bodies, panel.layers[0].figure
        with self._lock:
            if self.upload is not None:
                self.marking.history.set(Marks())
            self.upload, self.reply, self.first = upload, None, None
            self.viewing.keep.visible = self.viewing.keep.value = False
            self.asking.take(upload)
            self.marking.joints_of(upload.clip.skeleton)
            self.shelf.visible = False
            self._say("\n".join((upload.facts, *upload.notes)))
            self._show(panel, 0.0)

    def tick(self, passed: float) -> None:
        """Move the clock by `passed` seconds. A drawing error stops only this page."""
        self._guarded(self._play)(passed)

    def _play(self, passed: float) -> None:
        if not self.playing.on or self.stage.panel is None or not self._lock.acquire(blocking=False):
            return
        try:
            self._now = (self._now + passed * self.playing.pace) % self.stage.duration
            self.stage.pose(self._now)
            if abs(self._now - self._shown) > _SLIDER * self.playing.pace:
                self._shown = self.playing.time.value = round(self._now, 2)
        finally:
            self._lock.release()

    def _build(self) -> None:
        gui = self.client.gui
        gui.set_panel_label("kinema studio")
        with gui.add_folder("Motion"):
            self.opener = gui.add_upload_button("Open a file", icon=viser.Icon.UPLOAD, hint="Or saved constraints")
            self.message = gui.add_html(words(_WELCOME, tone="quiet"))
            with gui.add_folder("If the file has no rate", expand_by_default=False):
                self.rate = gui.add_number("Rate", 0.0, min=0.0, max=1000.0, hint="Frames per second; 0: the file's")
        with gui.add_folder("Question"):
            self.asking = Asking(gui, self.desk, self._guarded)
            self.run = gui.add_button("Run", icon=viser.Icon.PLAYER_PLAY)
        with gui.add_folder("Constraints", expand_by_default=False):
            self.marking = Marking(gui, self.stage, self._spot, self._alone)
        with gui.add_folder("View", expand_by_default=False):
            self.viewing = Viewing(gui)
        self.shelf = gui.add_folder("Save", visible=False)
        with self.shelf:
            self.taking = Taking(gui, self._guarded(self._hand))
        panel = gui.add_panel()
        with panel.add_tab("Timeline", viser.Icon.CLOCK_PLAY):
            self.playing = Playing(gui)
            self.marking.timeline(gui)
        panel.float(x=15, y=-15, width=420)
        panel.expand()
        check_updates(gui, lambda error: self._complain(page_words(error)))
        _refuse_large(gui, self.desk.largest, self._guarded(self._too_large))
        self.opener.on_upload(lambda event: self._guarded(self._uploaded)(event.target.value))
        self.marking.save.on_click(self._guarded(self._hand_constraints))
        self.run.on_click(lambda _: self._guarded(self._ask)(None))
        self.playing.time.on_update(self._guarded(self._scrubbed))
        for field in (self.viewing.arrangement, self.viewing.truth, self.viewing.dark, self.viewing.keep):
            field.on_update(self._guarded(self._rearranged))
        for field in (self.asking.verb, self.asking.fields["every"]):
            field.on_update(self._alone(self._other_keys))
        self._add_keys(gui)
        self._theme()

    def _uploaded(self, file: viser.UploadedFile) -> None:
        rate = float(self.rate.value)
        if are_constraints(file.name, file.content):
            self.desk.check_size(file.name, len(file.content))
            with self._lock:
                self.marking.set(read_marks(file.name, file.content, self.upload))
            return
        self.take(self.desk.read(file.name, file.content, fps=rate if rate > 0 else None))

    def _hand_constraints(self, _: object) -> None:
        self.client.send_file_download("constraints.json", self.marking.marks.to_json(), save_immediately=True)

    def _other_keys(self, event: Any) -> None:
        if event.client is not None and event.target is not self.asking.verb:
            marks = self.marking.marks
            self.marking.set(replace(marks, entries=tuple(e for e in marks.entries if e["kind"] != "pose")), "every")
        self.marking.show()

    def _add_keys(self, gui: viser.GuiApi) -> None:
        """What the keyboard does; viser lists it under Ctrl+K."""
        steps: tuple[tuple[str, Any, Any, Callable[[], None]], ...] = (
            ("Play or pause", "space", None, lambda: self.playing.run(on=not self.playing.on)),
            ("One frame back", "arrowleft", None, lambda: self._step(-1)),
            ("One frame on", "arrowright", None, lambda: self._step(1)),
            ("First frame", "home", None, lambda: self._seek(0.0)),
            ("Last frame", "end", None, lambda: self._seek(self.stage.duration)),
            ("Set or remove a key", "K", None, self.marking.key_here),
            ("Pin the joint", "P", None, self.marking.pin_here),
            ("Run", "R", None, lambda: self._ask(None)),
            ("Undo", "Z", "cmd/ctrl", lambda: self.marking.step(back=True)),
            ("Redo", "Z", "cmd/ctrl+shift", lambda: self.marking.step(back=False)),
        )
        for label, key, modifier, step in steps:
            guarded = self._guarded if label == "Run" else self._alone  # a long answer lets the page go on
            command = gui.add_command(label, hotkey=key, modifier=modifier)
            command.on_trigger(guarded(lambda _, step=step: step()))

    def _spot(self) -> Spot:
        """Where the page is. Raises UsageError if there is nothing yet to set a constraint in."""
        verb, upload = self.asking.wanted, self.upload
        every = self.asking.every if verb == "inbetween" else None
        if self.reply is not None and self.reply.question.request.verb == verb:
            clips, layers = self.reply.clips, self.reply.panel.layers
            shown = next(layer.points for layer in layers if layer.role == "forecast")
            grid = AnswerFrames(self.reply.panel.boundary or 0.0, clips.fps, clips.frames)
        elif upload is not None and verb in ("inbetween", "repair"):
            shown, grid = upload.clip.points(), AnswerFrames(0.0, upload.clip.fps, upload.clip.frames)
        else:
            raise UsageError(expected="an answer to set a constraint in", got="none yet", cure="Press Run first.")
        return Spot(grid, self._now, upload, shown, every)

    def _question(self) -> Question:
        """The question, with the keys and constraints that are set."""
        question, upload = self.asking.question, self.upload
        marks = self.marking.marks
        if not marks.entries:
            return question
        grid = grid_of(self.desk.open(question.model), question, upload)
        self.marking.fit(grid.frames)
        marks, request = self.marking.marks, question.request
        if isinstance(request, InbetweenRequest) and (keys := marks.own_keys()):
            request = replace(request, keys=keys, every=None)
            marks = marks.without_own_keys()
        return replace(question, request=request, constraints=marks.constraints(upload))

    def _too_large(self, file: tuple[str, int]) -> None:
        self.desk.check_size(*file)

    def _ask(self, _: None) -> None:
        if not self._busy.acquire(blocking=False):
            return
        self.run.disabled, self.run.label = True, "Running ..."
        try:
            reply = self.desk.ask(self._question(), self.upload)
            with self._lock:
                self.reply = reply
                boundary = reply.panel.boundary or 0.0
                self.marking.joints_of(reply.clips.skeleton)
                self.viewing.keep.visible = True
                self._show(self._panel(reply), max(0.0, boundary - _LEAD))
                self.shelf.visible = True
                self.taking.offer(reply.count, forecast=reply.before is not None)
                self._say("\n".join((f"{reply.question.model} in {reply.took:.2f} s", *reply.notes)))
        finally:
            self.run.disabled, self.run.label = False, "Run"
            self._busy.release()

    def _hand(self, kind: str) -> None:
        if self.reply is None:
            raise UsageError(expected="an answer to save", got="none yet", cure="Press Run first.")
        whole = self.taking.whole.visible and self.taking.whole.value
        name, content = self.desk.pack(self.reply, kind, sample=int(self.taking.sample.value) - 1, whole=whole)
        self.client.send_file_download(name, content, save_immediately=True)

    def _panel(self, reply: Reply) -> Panel:
        """The answer, beside the one that was kept."""
        kept = self.first
        return reply.panel if kept is None or kept is reply else compared(kept, reply)

    def _show(self, panel: Panel, time: float, *, look: bool = True) -> None:
        self._now = self._shown = time
        self.stage.show(panel, look=look)
        self.stage.pose(time)
        self.playing.time.max = max(round(self.stage.duration, 2), 0.02)
        self.playing.time.value = round(time, 2)
        self.marking.show()

    def _scrubbed(self, event: viser.GuiEvent[viser.GuiSliderHandle[float]]) -> None:
        if event.client is None or self.stage.panel is None:  # the clock moved it, not the user
            return
        with self._lock:
            self._seek(float(event.target.value), move=False)

    def _step(self, frames: int) -> None:
        """Some frames on or back, of what is shown."""
        if self.stage.panel is not None:
            fps = self.stage.panel.layers[-1].points.fps
            self._seek((round(self._now * fps) + frames) / fps)

    def _seek(self, time: float, *, move: bool = True) -> None:
        """Pause at a time within what is shown."""
        if self.stage.panel is None:
            return
        last = self.stage.duration - 1 / self.stage.panel.layers[-1].points.fps
        self.playing.run(on=False)
        self._now = self._shown = min(max(time, 0.0), max(last, 0.0))
        self.stage.pose(self._now)
        if move:
            self.playing.time.value = round(self._now, 2)

    def _rearranged(self, _: object) -> None:
        with self._lock:
            before = self.stage.arrangement
            if self.viewing.keep.value != (self.first is not None):
                self.first = self.reply if self.viewing.keep.value else None
                self.viewing.arrangement.value = "side by side" if self.first else "overlaid"
            arrangement: Arrangement = "side by side" if self.viewing.arrangement.value != "overlaid" else "overlaid"
            self.stage.arrangement, self.stage.truth = arrangement, bool(self.viewing.truth.value)
            self._theme()
            if self.stage.panel is not None:
                panel = self._panel(self.reply) if self.reply else self.stage.panel
                self._show(panel, self._now, look=before != arrangement)

    def _theme(self) -> None:
        dark = bool(self.viewing.dark.value)
        self.stage.theme = "dark" if dark else "light"
        green = _GREEN[self.stage.theme]
        self.client.gui.configure_theme(dark_mode=dark, show_logo=False, show_share_button=False, brand_color=green)

    def _guarded(self, step: Callable[[Given], None]) -> Callable[[Given], None]:
        """A step whose errors are shown on the page; the server goes on."""

        def run(given: Given) -> None:
            if self.closed:
                return
            try:
                step(given)
            except KinemaError as error:
                self._complain(page_words(error))
            except Exception as error:  # noqa: BLE001 - the other pages go on
                self.playing.on = False
                self._complain(f"{type(error).__name__}: {error}. This is a bug of kinema; please report it.")

        return run

    def _alone(self, step: Callable[[Given], None]) -> Callable[[Given], None]:
        """A guarded step that nothing else interrupts."""

        def run(given: Given) -> None:
            with self._lock:
                step(given)

        return self._guarded(run)

    def _say(self, text: str) -> None:
        self.message.content = words(text, tone="plain")

    def _complain(self, text: str) -> None:
        """Show an error until it is closed; of several the last ones."""
        with self._complaining:  # from several threads
            for old in [each for each in self._errors if each[0] == text] or self._errors[: 1 - _ERRORS]:
                self._errors.remove(old)
                old[1].remove()
            shown = self.client.add_notification("This did not work", text, color="red")
            self._errors.append((text, shown))


def _refuse_large(gui: viser.GuiApi, largest: int, refused: Callable[[tuple[str, int]], None]) -> None:
    """Drop announced uploads of more than `largest` bytes before they fill the memory; calls `refused(name, size)`.

    viser takes any size and has no hook for this. If its private parts have changed, nothing is done here, and
    `Desk.read` refuses the upload after it arrived.
    """
    try:
        from viser._messages import FileTransferPart, FileTransferPartAck, FileTransferStartUpload

        inner = cast("Any", gui)
        pending, line = inner._current_file_upload_states, inner._websock_interface
    except (ImportError, AttributeError):
        return

    def started(_: int, message: Any) -> None:
        if not isinstance(message.size_bytes, int) or not isinstance(message.filename, str):
            pending.pop(message.transfer_uuid, None)
        elif message.size_bytes > largest:
            pending.pop(message.transfer_uuid, None)
            line.queue_message(  # as if it had arrived: the page closes its progress bar
                FileTransferPartAck(
                    source_component_uuid=message.source_component_uuid,
                    transfer_uuid=message.transfer_uuid,
                    transferred_bytes=message.size_bytes,
                    total_bytes=message.size_bytes,
                )
            )
            refused((message.filename, message.size_bytes))

    def part(_: int, message: Any) -> None:
        state = pending.get(message.transfer_uuid)
        if state is not None and state["transferred_bytes"] > largest:  # more than was announced
            pending.pop(message.transfer_uuid, None)
            refused((state["filename"], state["transferred_bytes"]))

    line.register_handler(FileTransferStartUpload, started)
    line.register_handler(FileTransferPart, part)
