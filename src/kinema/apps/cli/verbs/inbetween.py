"""`kinema inbetween FIRST SECOND`: predict the movement between two clips, or between the key frames of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import Json, note
from kinema.apps.cli.verbs.options import Files, ModelName, Out, Report
from kinema.pipeline.defaults import AUTO
from kinema.pipeline.requests import FileOptions, InbetweenRequest


def inbetween(
    first: Path,
    second: Path | None = None,
    /,
    *,
    request: Annotated[InbetweenRequest | None, Parameter(name="*")] = None,
    model: ModelName = AUTO,
    out: Out = None,
    files: Files = None,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Predict the movement between two clips, or between the key frames of one.

    Parameters
    ----------
    first
        The clip before the gap: BVH or NPZ. Or the only one, of which --keys or --every names the frames that are kept.
    second
        The clip after the gap, which --frames new ones fill. One of another skeleton or rate is retargeted and
        resampled to those of the first.
    out
        Where to write. Default: FIRST.inbetween.bvh in this folder. Of several samples each has a file of its own
        (OUT-1.bvh, OUT-2.bvh ...), but one NPZ holds them all.
    """
    from kinema.apps.cli.verbs.filled import tell, write_samples
    from kinema.pipeline.clip_files import open_source
    from kinema.pipeline.pipeline import open as open_pipeline

    request, options = request or InbetweenRequest(), files or FileOptions()
    if second is not None:
        request.check_two()
    source = open_source(first, options)
    other = None if second is None else open_source(second, options).only
    done = open_pipeline(model).ask(request, source.only, other)
    if second is not None and not request.align:
        note("the second clip stays where its file has it; --align puts it where the first one ends")
    path = out or source.beside("inbetween")
    write_samples(done.motion, path)
    tell({"": done}, path, report, as_json=as_json)
