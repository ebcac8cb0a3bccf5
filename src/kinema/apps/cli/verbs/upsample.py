"""`kinema upsample FILE`: predict what happens between the frames of a clip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import Json
from kinema.apps.cli.many import ONE, ManyFiles
from kinema.apps.cli.verbs.options import Files, ModelName, Out, Report
from kinema.pipeline.defaults import AUTO
from kinema.pipeline.requests import FileOptions, UpsampleRequest


def upsample(
    file: Path,
    /,
    *,
    request: Annotated[UpsampleRequest | None, Parameter(name="*")] = None,
    model: ModelName = AUTO,
    out: Out = None,
    files: Files = None,
    report: Report = None,
    as_json: Json = False,
    many: ManyFiles = ONE,
) -> int:
    """Predict what happens between the frames of a clip: slow motion, or a higher frame rate.

    Parameters
    ----------
    file
        A BVH or NPZ, or keypoints of video: an OpenPose folder, or JSON of AlphaPose, COCO, MMPose or MediaPipe. Or a
        folder of motion files; OUT is then the folder of the results.
    out
        Where to write. Default: FILE.upsampled with the same suffix, in this folder.
    """
    from kinema.apps.batch.tasks import Completing
    from kinema.apps.cli.verbs.filled import fill

    work = Completing(request or UpsampleRequest(), model, files or FileOptions())
    return fill(work, file, out, "upsampled", many, report, as_json=as_json)
