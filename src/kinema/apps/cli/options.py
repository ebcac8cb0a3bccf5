"""Options that several commands share. Those of the verbs' requests are in `kinema.pipeline.requests`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Flag = Parameter(negative="", show_default=False)
Inline = Parameter(name="*")  # the fields of a dataclass become options
Json = Annotated[
    bool, Parameter(name="--json", negative="", show_default=False, help="Write the result to standard output as JSON.")
]
JointMapFile = Annotated[
    Path | None, Parameter(name="--map", help="A joint map (TOML) for joints with unknown names; see docs/retarget.md.")
]
ModelName = Annotated[
    str,
    Parameter(
        name=["--model", "--method"],
        help="A shipped model or baseline (`kinema models`), a curve (hold, linear, cubic, pchip, squad), a run "
        "folder, or hub:USER/NAME. auto: the method that scored best for this task.",
    ),
]
"""Resolved by `kinema.pipeline.pipeline.open`."""
Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]
OutRequired = Annotated[Path, Parameter(name=["--out", "-o"])]
Report = Annotated[Path | None, Parameter(help="Also write the report to this file, as JSON.")]
AllowUnmatched = Annotated[
    bool,
    Parameter(
        name="--allow-unmatched",
        negative="",
        help="Retarget even if a limb has no counterpart: it keeps its rest rotation. Without it the exit code is 4.",
    ),
]
"""Whether retargeting may leave limbs out."""
