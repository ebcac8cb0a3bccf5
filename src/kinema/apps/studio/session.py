"""`Session`: one browser page of the studio, with its own clip, question, answer and clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

import viser

from kinema.apps.studio.answers import Reply
from kinema.apps.studio.controls import Asking, Playing, Taking, words
from kinema.apps.studio.desk import Desk, Upload
from kinema.apps.studio.guard import check_updates, page_words
from kinema.apps.studio.stage import Arrangement, ClientScene
from kinema.core.errors import KinemaError, UsageError
from kinema.viz.layers import Layer, Panel

Given = TypeVar("Given")
_WELCOME = "Open a motion: BVH, NPZ, or keypoints as JSON."
# viser makes buttons lighter than the given colour, except on a dark page.
_GREEN = {"light": (9, 78, 61), "dark": (14, 122, 96)}
_LEAD = 1.0  # seconds before the forecast at which playing starts
_SLIDER = 0.1  # seconds between two moves of the slider while playing


class Session:
    """The state of one client. Callbacks come from several threads; `_lock` lets one at a time change the stage."""

    def __init__(self, client: viser.ClientHandle, desk: Desk, first: Upload | None = None) -> None:
        self.client, self.desk = client, desk
        self.upload: Upload | None = None
        self.reply: Reply | None = None
        self.stage = ClientScene(client)
        self._lock, self._busy = threading.RLock(), threading.Lock()
        self._now, self._shown = 0.0, 0.0
        self._build()
        if first is not None:
            self.take(first)

    def take(self, upload: Upload) -> None:
        """Show an opened clip."""
        panel = Panel("clip", (Layer("clip", upload.clip.points(), "truth"),))
        _ = panel.layers[0].bodies, panel.layers[0].figure
        with self._lock:
            self.upload, self.reply = upload, None
            self.asking.take(upload)
            self.shelf.visible = False
            self._say("\n".join((upload.facts, *upload.notes)), "plain")
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
            self.opener = gui.add_upload_button("Open a file", icon=viser.Icon.UPLOAD, hint="BVH, NPZ or JSON")
            self.message = gui.add_html(words(_WELCOME, tone="quiet"))
            with gui.add_folder("If the file has no rate", expand_by_default=False):
                self.rate = gui.add_number("Rate", 0.0, min=0.0, max=1000.0, hint="Frames per second; 0: the file's")
        with gui.add_folder("Question"):
            self.asking = Asking(gui, self.desk, self._guarded)
            self.run = gui.add_button("Run", icon=viser.Icon.PLAYER_PLAY)
        with gui.add_folder("View"):
            self.playing = Playing(gui)
        self.shelf = gui.add_folder("Save", visible=False)
        with self.shelf:
            self.taking = Taking(gui, self._guarded(self._hand))
        check_updates(gui, lambda error: self._say(page_words(error), "bad"))
        _refuse_large(gui, self.desk.largest, self._guarded(self._too_large))
        self.opener.on_upload(lambda event: self._guarded(self._uploaded)(event.target.value))
        self.run.on_click(lambda _: self._guarded(self._ask)(None))
        self.playing.time.on_update(self._guarded(self._scrubbed))
        for field in (self.playing.arrangement, self.playing.truth, self.playing.dark):
            field.on_update(self._guarded(self._rearranged))
        self._theme()

    def _uploaded(self, file: viser.UploadedFile) -> None:
        rate = float(self.rate.value)
        self.take(self.desk.read(file.name, file.content, fps=rate if rate > 0 else None))

    def _too_large(self, file: tuple[str, int]) -> None:
        self.desk.check_size(*file)

    def _ask(self, _: None) -> None:
        if not self._busy.acquire(blocking=False):
            return
        self.run.disabled, self.run.label = True, "Running ..."
        try:
            reply = self.desk.ask(self.asking.question, self.upload)
            with self._lock:
                self.reply = reply
                boundary = reply.panel.boundary or 0.0
                self._show(reply.panel, max(0.0, boundary - _LEAD))
                self.shelf.visible = True
                self.taking.offer(reply.count, forecast=reply.before is not None)
                self._say("\n".join((f"{reply.question.model} in {reply.took:.2f} s", *reply.notes)), "plain")
        finally:
            self.run.disabled, self.run.label = False, "Run"
            self._busy.release()

    def _hand(self, kind: str) -> None:
        if self.reply is None:
            raise UsageError(expected="an answer to save", got="none yet", cure="Press Run first.")
        whole = self.taking.whole.visible and self.taking.whole.value
        name, content = self.desk.pack(self.reply, kind, sample=int(self.taking.sample.value) - 1, whole=whole)
        self.client.send_file_download(name, content, save_immediately=True)

    def _show(self, panel: Panel, time: float, *, look: bool = True) -> None:
        self._now = self._shown = time
        self.stage.show(panel, look=look)
        self.stage.pose(time)
        self.playing.time.max = max(round(self.stage.duration, 2), 0.02)
        self.playing.time.value = round(time, 2)

    def _scrubbed(self, event: viser.GuiEvent[viser.GuiSliderHandle[float]]) -> None:
        if event.client is None or self.stage.panel is None:  # the clock moved it, not the user
            return
        with self._lock:
            self.playing.run(on=False)
            self._now = self._shown = min(float(event.target.value), self.stage.duration)
            self.stage.pose(self._now)

    def _rearranged(self, _: object) -> None:
        with self._lock:
            before = self.stage.arrangement
            arrangement: Arrangement = "side by side" if self.playing.arrangement.value != "overlaid" else "overlaid"
            self.stage.arrangement, self.stage.truth = arrangement, bool(self.playing.truth.value)
            self._theme()
            if self.stage.panel is not None:
                self._show(self.stage.panel, self._now, look=before != arrangement)

    def _theme(self) -> None:
        dark = bool(self.playing.dark.value)
        self.stage.theme = "dark" if dark else "light"
        green = _GREEN[self.stage.theme]
        self.client.gui.configure_theme(dark_mode=dark, show_logo=False, show_share_button=False, brand_color=green)

    def _guarded(self, step: Callable[[Given], None]) -> Callable[[Given], None]:
        """A step whose errors are shown on the page; the server goes on."""

        def run(given: Given) -> None:
            try:
                step(given)
            except KinemaError as error:
                self._say(page_words(error), "bad")
            except Exception as error:  # noqa: BLE001 - the other pages go on
                self.playing.on = False
                self._say(f"{type(error).__name__}: {error}. This is a bug of kinema; please report it.", "bad")

        return run

    def _say(self, text: str, tone: str) -> None:
        self.message.content = words(text, tone=tone)


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
