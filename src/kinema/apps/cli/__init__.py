"""The command line: argument parsing only. A command's module is imported when the command is called.

Standard output is data, standard error is for people. Exit codes: 0 done, 1 failed, 2 misuse, 3 data or weights
missing, 4 a check failed, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from cyclopts import App, CycloptsError

from kinema.apps.cli.console import note, shown_while_working
from kinema.core.atomic import inputs_kept, remove_unfinished
from kinema.core.budget import allow
from kinema.core.constants import VERSION
from kinema.core.errors import KinemaError, KinemaWarning, UsageError

_END_BY_THEMSELVES = ("train", "studio", "view", "serve", "mcp")
_PATIENCE = 1.5  # seconds


def _misused(error: CycloptsError) -> str:
    """One line, as all our errors are, and where to read on."""
    command = " ".join(("kinema", *(error.command_chain or ())))
    text = str(error).strip()
    return f"kinema: {text}{'' if text.endswith(('.', '?')) else '.'} `{command} --help` lists the options."


app = App(
    name="kinema",
    help="Forecast, fill, repair and generate human motion.\n\nWith every command: --budget N allows answers of "
    "N million joint poses (frames x joints x samples; 20), --overwrite writes over an input.",
    version=VERSION,
    error_formatter=_misused,
    suppress_keyboard_interrupt=False,  # `main` answers it, with exit code 130
)

for _name, _target, _help in (
    ("demo", "first_steps:demo", "Run the shipped models, on a recording too; write a page, a GIF, a BVH and a GLB."),
    ("forecast", "forecast:forecast", "Forecast what comes next."),
    ("upsample", "complete:upsample", "Add frames between those of a clip: slow motion, a higher frame rate."),
    ("inbetween", "complete:inbetween", "Fill the gap between two clips, or between the key frames of one."),
    ("repair", "complete:repair", "Repair a clip: missing values, spikes, jumps, frozen frames."),
    ("loop", "complete:loop", "Cut a cycle out of a clip and close it without a seam."),
    ("join", "complete:join", "Join clips into one, with transitions in between."),
    ("generate", "generate:generate", "Generate motion from an action and a length."),
    ("info", "files:info", "Show what a motion file holds, and what looks wrong with it."),
    ("convert", "files:convert", "Convert between BVH, NPZ, CSV, GLB, FBX and exponential-map text."),
    ("retarget", "files:retarget_file", "Retarget a motion to another body."),
    ("view", "view:view", "View a motion: as a page that opens from disk, or in a live viewer."),
    ("studio", "servers:studio", "Open a live page: load a motion, run a model, compare, save."),
    ("serve", "servers:serve", "Serve the verbs over HTTP, for Blender and other tools."),
    ("mcp", "servers:mcp", "Offer the verbs as tools to an agent, on the files of a folder."),
    ("render", "view:render", "Draw a motion as PNG, GIF or MP4."),
    ("train", "train:train", "Train a recipe."),
    ("eval", "eval:evaluate", "Score a model by a protocol, next to the published results."),
    ("data", "data:app", "Check a data set, or rebuild benchmark files from their sources."),
    ("recipes", "models:recipes", "List the recipes."),
    ("models", "models:app", "List the models; push, pull and import them."),
    ("export", "models:export", "Export a model as ONNX, for programs without torch."),
    ("doctor", "first_steps:doctor", "Check the installation."),
):
    app.command(f"kinema.apps.cli.{_target}", name=_name, help=_help)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    warnings.simplefilter("always", KinemaWarning)
    warnings.formatwarning = _format_warning
    if arguments is None:
        _answer_interrupts(sys.argv[1:2])
    try:
        words = _with_samples(_renamed(sys.argv[1:] if arguments is None else arguments, note))
        words = _budgeted(words)
        overwrite = "--overwrite" in words
        # cyclopts takes "-" for an option, and "./-" is the same path
        words = ["./-" if word == "-" else word for word in words if word != "--overwrite"]
        with shown_while_working(words), inputs_kept(on=not overwrite):
            result = app(words, result_action="return_value")
    except KinemaError as error:
        print(f"kinema: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("kinema: interrupted", file=sys.stderr)
        leave_interrupted(at_once=arguments is None)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    if result == 130:
        leave_interrupted(at_once=arguments is None)
    sys.exit(result if isinstance(result, int) else 0)


def _answer_interrupts(command: Sequence[str]) -> None:
    """End within two seconds of Ctrl-C, also where the interrupt gets lost or the end of the work takes long.

    Libraries swallow an interrupt now and then, mostly while they are imported. Commands that save something at their
    end, and servers, are left alone.
    """
    given = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread() and given is signal.default_int_handler
    if not command or command[0] in _END_BY_THEMSELVES or not ours:
        return

    def give_up() -> None:
        remove_unfinished()
        with contextlib.suppress(OSError):
            os.write(2, b"kinema: interrupted\n")
        os._exit(130)

    def interrupt(number: int, frame: FrameType | None) -> None:
        timer = threading.Timer(_PATIENCE, give_up)
        timer.daemon = True
        timer.start()
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)


def leave_interrupted(*, at_once: bool) -> NoReturn:
    """Leave with exit code 130; `at_once`: without taking the interpreter apart, which may take seconds after torch.

    Python would also end by the signal itself, and not with 130, where the interrupt met an import. Files and folders
    of a command are in order by then: each has cleaned up on the way here.
    """
    if at_once:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(130)
    sys.exit(130)


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """One line for a warning of ours, without the place in the code."""
    if issubclass(category, KinemaWarning):
        return f"kinema: {message}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


def _with_samples(arguments: Sequence[str]) -> list[str]:
    """The arguments with the files of samples in place of `sample:walk` and the like."""
    if not any(word.startswith("sample:") for word in arguments):
        return list(arguments)
    from kinema.data.samples import PREFIX, sample_file

    return [str(sample_file(word.removeprefix(PREFIX))) if word.startswith(PREFIX) else word for word in arguments]


def _budgeted(words: list[str]) -> list[str]:
    """The words without --budget, which is set. Raises UsageError where it is not a number."""
    found = [place for place, word in enumerate(words) if word.partition("=")[0] == "--budget"]
    for place in reversed(found):
        _, equals, value = words[place].partition("=")
        value = value if equals else "".join(words[place + 1 : place + 2])
        try:
            allow(float(value))
        except ValueError as error:
            raise UsageError(expected="--budget MILLIONS", got=f"'{value}'", cure="Use --budget 100.") from error
        words = words[:place] + words[place + (1 if equals else 2) :]
    return words


def _renamed(arguments: Sequence[str], note: Callable[[str], None]) -> list[str]:
    """The arguments with new option names in place of old ones, which work for one more release; each gets a note.

    `--keys exact|soft` became --key-mode, and `--at 0,10` became --keys.
    """
    if not arguments or arguments[0] not in ("inbetween", "upsample", "repair"):
        return list(arguments)
    found: list[str] = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if option not in ("--keys", "--at"):
            found.append(word)
            continue
        value = value if equals else next(words, None)
        new = "--key-mode" if option == "--keys" and value in ("exact", "soft") else "--keys"
        if new != option:
            note(f"{option} {value} is now {new} {value}; the next release drops the old spelling")
        found += [new] if value is None else [new, value]
    return found
