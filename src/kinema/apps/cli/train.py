"""`kinema train RECIPE`: train a recipe, or resume."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from kinema.apps.cli.options import Flag, OutRequired
from kinema.core.errors import UsageError

if TYPE_CHECKING:
    from kinema.recipes import Recipe

# glibc returns blocks above 128 KiB to the kernel as soon as they are freed; a training step then pays for zeroing the
# same pages again at every layer. Keeping them (32 MiB is the largest first threshold that glibc accepts) saves a
# quarter of siMLPe's step at batch 256. glibc reads the variables when a process starts, so the command starts itself
# once more; the second start finds them set.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(4 << 30)}


def train(
    recipe: str,
    *,
    out: OutRequired,
    set_: Annotated[list[str] | None, Parameter(name="--set", consume_multiple=True, negative=())] = None,
    resume: Annotated[bool, Flag] = False,
    init_from: str | None = None,
    tiny: Annotated[bool, Flag] = False,
    data: Path | None = None,
    steps: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    cache: Path | None = None,
    workers: int = 0,
    compile_: Annotated[bool, Parameter(name="--compile", negative=(), show_default=False)] = False,
    tensorboard: Annotated[bool, Flag] = False,
    progress: bool | None = None,
) -> int:
    """Train a recipe into a run folder. Start it with torchrun for several processes.

    Parameters
    ----------
    recipe
        A recipe's name (see `kinema recipes`), or a JSON file with a recipe.
    out
        The run folder: new, or the run to resume.
    set_
        Values of the recipe to change: `--set stages.model.optim.lr=1e-4 stages.model.ema=0.999`.
    resume
        Resume the run in OUT; repeat the recipe and options of its start, without --init-from.
    init_from
        Start from the weights and statistics of a run folder or shipped model of the same architecture.
    tiny
        Train the recipe's small twin: synthetic motion, a small model, a few steps.
    data
        The folder of the recipe's data set, or of your own motion files (docs/your-own-data.md).
    steps
        The number of steps of every stage.
    seed
        The seed of all random numbers.
    threads
        The number of CPU threads.
    device
        The device to compute on.
    cache
        A folder that keeps encoded windows, for a faster next start.
    workers
        The number of processes that prepare batches.
    compile_
        Use torch.compile: a slow start, faster steps.
    tensorboard
        Also write curves for TensorBoard.
    progress
        Show a progress bar. Default: on a terminal.
    """
    _keep_freed_memory()
    import torch

    from kinema.data.sources.folder import Folder
    from kinema.pipeline.train import Means
    from kinema.pipeline.train import train as train_recipe
    from kinema.training.checkpoint import CONFIG

    leads = int(os.environ.get("RANK", "0")) == 0
    if threads is not None:
        torch.set_num_threads(threads)
    chosen = read_recipe(recipe, data, tiny=tiny)
    chosen = chosen if steps is None else chosen.with_steps(steps)
    chosen = chosen if seed is None else chosen.with_value("seed", str(seed))
    for assignment in set_ or []:
        path, equals, text = assignment.partition("=")
        if not equals:
            cure = "Write it with =: --set stages.model.optim.lr=1e-4."
            raise UsageError(expected="--set path=value", got=f"'{assignment}'", cure=cure)
        chosen = chosen.with_value(path, text)
    if leads and isinstance(chosen.source, Folder):
        print(f"kinema: the source is your motion files below {data or chosen.source.root}.", file=sys.stderr)
    show = sys.stderr.isatty() if progress is None else progress
    means = Means(device, cache, workers, compile_, show, tensorboard)
    try:
        folder = train_recipe(chosen, out, resume=resume, init_from=init_from, means=means)
    except KeyboardInterrupt:
        if leads:
            how = "with --resume" if init_from is None else "with --resume in place of --init-from"
            saved = resume or (out / CONFIG).is_file()
            anew = "Nothing was saved yet: to start anew, type the same command again"
            how = f"To resume, type the same command {how}" if saved else anew
            print(f"kinema: interrupted. {how}.", file=sys.stderr)
        return 130
    if leads:
        print(folder)
    return 0


def read_recipe(name: str, data: Path | None, *, tiny: bool) -> Recipe:
    """A recipe by name or from a JSON file, or its small twin; `data` as `Recipe.with_data` takes it."""
    from kinema.core.text import read_json
    from kinema.recipes import Recipe, recipe
    from kinema.recipes.codec import from_json

    file = Path(name)
    if file.suffix == ".json":
        try:
            found = from_json(read_json(file), Recipe)
        except OSError as error:
            raise UsageError(
                expected=f"a recipe in {file}",
                got=str(error),
                cure="Write one: kinema recipes simlpe > my.json, then kinema train my.json --out run.",
            ) from error
    else:
        found = recipe(name)
    found = found.tiny() if tiny else found
    return found if data is None else found.with_data(str(data))


def _keep_freed_memory() -> None:
    """Start the same command once more with glibc set to keep freed memory, unless torch is imported already."""
    own = Path(sys.argv[0])
    started_by_us = sys.argv[1:2] == ["train"] and (own.stem == "kinema" or own.parent.name == "kinema")
    wanted = platform.libc_ver()[0] == "glibc" and not any(key in os.environ for key in _MALLOC)
    if started_by_us and wanted and "torch" not in sys.modules:
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **_MALLOC})
