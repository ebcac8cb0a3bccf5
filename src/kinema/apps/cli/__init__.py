"""The command line: argument parsing only. Each command lives in its own module, imported when it is called.

Standard output is data, standard error is for people. Exit codes: 0 done, 1 failed, 2 misuse, 3 data or weights
missing, 4 a check failed, 130 interrupted.
"""

from __future__ import annotations

import sys
import warnings

from cyclopts import App, CycloptsError

from kinema.apps.cli.console import note
from kinema.apps.cli.old_spellings import modern
from kinema.apps.cli.waiting import shown_while_working
from kinema.core.constants import VERSION
from kinema.core.errors import KinemaError, KinemaWarning


def _misused(error: CycloptsError) -> str:
    """One line, as all our errors are, and where to read on."""
    command = " ".join(("kinema", *(error.command_chain or ())))
    said = str(error).strip()
    return f"kinema: {said}{'' if said.endswith(('.', '?')) else '.'} `{command} --help` says what it takes."


app = App(
    name="kinema",
    help="Human motion: some of it is known, predict the rest.",
    version=VERSION,
    error_formatter=_misused,
    suppress_keyboard_interrupt=False,  # `main` answers it, with exit code 130
)

_COMMANDS = {
    "demo": (
        "kinema.apps.cli.demo:demo",
        "Run what is shipped: writes a page, a picture, a GIF, a BVH and a GLB.",
    ),
    "forecast": ("kinema.apps.cli.verbs.forecast:forecast", "Predict what a body does next."),
    "upsample": (
        "kinema.apps.cli.verbs.upsample:upsample",
        "Predict what happens between the frames of a clip: slow motion, higher rates.",
    ),
    "inbetween": (
        "kinema.apps.cli.verbs.inbetween:inbetween",
        "Predict the movement between two clips, or between the key frames of one.",
    ),
    "repair": (
        "kinema.apps.cli.verbs.repair:repair",
        "Repair a clip: missing values, spikes, jumps, frozen runs.",
    ),
    "generate": ("kinema.apps.cli.verbs.generate:generate", "Make motion from an action and a length."),
    "info": ("kinema.apps.cli.files:info", "Show what a motion file holds, and what looks wrong with it."),
    "convert": ("kinema.apps.cli.files:convert", "Convert between BVH, NPZ, CSV, GLB, FBX and exponential-map text."),
    "retarget": ("kinema.apps.cli.retarget:retarget_file", "Retarget a motion to another body."),
    "view": ("kinema.apps.cli.view:view", "Look at a motion: a page that opens from disk, or a live viewer."),
    "studio": ("kinema.apps.cli.studio:studio", "Open a live page: load a motion, ask a model, compare, save."),
    "render": ("kinema.apps.cli.view:render", "Draw a motion as PNG, GIF or MP4."),
    "train": ("kinema.apps.cli.train:train", "Train a recipe."),
    "eval": ("kinema.apps.cli.eval:evaluate", "Score a model by a named protocol, next to the published rows."),
    "data": ("kinema.apps.cli.data:app", "Check a data set; rebuild benchmark files from a BVH."),
    "recipes": ("kinema.apps.cli.models:recipes", "List the recipes."),
    "models": (
        "kinema.apps.cli.models:app",
        "List the shipped models and the baselines; send, fetch and import models.",
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
    words = modern(sys.argv[1:] if arguments is None else arguments, note)
    try:
        with shown_while_working(words):
            result = app(words, result_action="return_value")
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
