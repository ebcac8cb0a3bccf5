"""The command line: argument parsing only. Each command lives in its own module, imported when it is called.

Standard output is data, standard error is for people. Exit codes: 0 done, 1 failed, 2 misuse, 3 data or weights
missing, 4 a check failed, 130 interrupted.
"""

from __future__ import annotations

import sys
import warnings

from cyclopts import App, CycloptsError

from kinema.core.errors import KinemaError, KinemaWarning
from kinema.core.version import VERSION


def _misused(error: CycloptsError) -> str:
    """One line, as all our errors are, and where to read on."""
    command = " ".join(("kinema", *(error.command_chain or ())))
    said = str(error).strip()
    return f"kinema: {said}{'' if said.endswith(('.', '?')) else '.'} `{command} --help` says what it takes."


app = App(
    name="kinema",
    help="Some of a motion is known; say the rest.",
    version=VERSION,
    error_formatter=_misused,
    suppress_keyboard_interrupt=False,  # `main` answers it, with exit code 130
)

_COMMANDS = {
    "demo": (
        "kinema.apps.cli.demo:demo",
        "All that is shipped, at work: leaves a page, a picture, a GIF, a BVH and a GLB.",
    ),
    "forecast": ("kinema.apps.cli.forecast:forecast", "Say what a body will do next."),
    "upsample": ("kinema.apps.cli.complete:upsample", "Slow motion: say what happens between the frames of a clip."),
    "inbetween": ("kinema.apps.cli.complete:inbetween", "Say the movement between two poses, or between key frames."),
    "repair": ("kinema.apps.cli.complete:repair", "Mend a clip: missing values, spikes, jumps, frozen runs."),
    "generate": ("kinema.apps.cli.generate:generate", "Make motion from an action and a length."),
    "info": ("kinema.apps.cli.files:info", "Say what a motion file holds, and what looks wrong with it."),
    "convert": ("kinema.apps.cli.files:convert", "Convert between BVH, NPZ, CSV, GLB, FBX and exponential-map text."),
    "retarget": ("kinema.apps.cli.retarget:retarget_file", "Bring a motion to another body."),
    "view": ("kinema.apps.cli.view:view", "Look at a motion: a page that opens from disk, or a live viewer."),
    "studio": ("kinema.apps.cli.studio:studio", "A live page: open a motion, ask a model, look, compare, take away."),
    "render": ("kinema.apps.cli.view:render", "Draw a motion as PNG, GIF or MP4."),
    "train": ("kinema.apps.cli.train:train", "Train a recipe."),
    "eval": ("kinema.apps.cli.eval:evaluate", "Score a model by a named protocol, next to the published rows."),
    "data": ("kinema.apps.cli.data:app", "Check a data set; rebuild benchmark files from a BVH."),
    "recipes": ("kinema.apps.cli.models:recipes", "List the recipes."),
    "models": (
        "kinema.apps.cli.models:app",
        "List the models that are shipped, and the baselines; send and fetch models.",
    ),
    "export": ("kinema.apps.cli.export:export", "Write a model as ONNX, for programs without torch."),
    "doctor": ("kinema.apps.cli.doctor:doctor", "Check the installation."),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(_target, name=_name, help=_help)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    warnings.simplefilter("always", KinemaWarning)
    warnings.formatwarning = _format_warning
    try:
        result = app(arguments, result_action="return_value")
    except KinemaError as error:
        print(f"kinema: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("kinema: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """One line for a warning of ours; the place in the code would help nobody."""
    if issubclass(category, KinemaWarning):
        return f"kinema: {message}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"
