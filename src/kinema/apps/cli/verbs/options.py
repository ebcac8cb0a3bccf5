"""Options that several verbs have; those of the requests are in `kinema.pipeline.requests`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kinema.pipeline.requests import FileOptions

ModelName = Annotated[
    str,
    Parameter(
        name=["--model", "--method"],
        help="A shipped model or a baseline (`kinema models`), a curve (hold, linear, cubic, pchip, squad), a run "
        "folder, or hub:USER/NAME. auto: the one that measured best for the verb; where gaps are filled, for each gap.",
    ),
]
"""Resolved by `kinema.pipeline.pipeline.open`."""
Files = Annotated[FileOptions | None, Parameter(name="*")]
Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]
Report = Annotated[Path | None, Parameter(help="Where the report goes, as JSON.")]
