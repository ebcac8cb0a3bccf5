"""Uploads that are too large are refused when they are announced, before they fill the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import viser


def refuse_large(gui: viser.GuiApi, largest: int, refused: Callable[[tuple[str, int]], None]) -> None:
    """Drop announced uploads of more than `largest` bytes; `refused` is told name and size.

    viser itself takes any size and has no hook for it; where its inner parts are other than they are now, nothing is
    done here, and `Desk.read` refuses what has arrived.
    """
    try:
        from viser._messages import FileTransferPart, FileTransferPartAck, FileTransferStartUpload

        inner = cast("Any", gui)
        pending, line = inner._current_file_upload_states, inner._websock_interface
    except (ImportError, AttributeError):
        return

    def started(_: int, message: Any) -> None:
        if message.size_bytes > largest:
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
