"""A part of a model as an ONNX file, checked against the model, with a page of JSON that says how to feed it."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from kinema.apps.onnx.parts import parts_of
from kinema.apps.onnx.ports import Port, PortedNetwork, factor_of
from kinema.core.atomic import atomic_path, write_text
from kinema.core.constants import VERSION
from kinema.core.errors import CheckFailedError, KinemaError, UsageError, require, unknown_name
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.checkpoints.checkpoint import load_model
from kinema.pipeline.open import model_folder
from kinema.recipes.codec import to_json
from kinema.training.checkpoint import skeleton_to_json

TOLERANCE = 1e-4
_TRACED: Mapping[str, int] = {"batch": 2, "sample": 3, "frame": 12, "token": 6}
_ASKED: Sequence[Mapping[str, int]] = (_TRACED, {"batch": 1, "sample": 1, "frame": 23, "token": 9})


@dataclass(frozen=True)
class Exported:
    """The two files, the other parts of the model, and the largest difference that was seen (None: unchecked)."""

    graph: Path
    page: Path
    part: str
    others: tuple[str, ...]
    difference: float | None


def export(model: str | Path, out: Path | str, part: str | None = None, *, check: bool = True) -> Exported:
    """Write a part of a model (by default its main one) to `out`, .onnx, and what it is to a .json beside it.

    With `check` the file is run by onnxruntime on inputs of two sizes before it takes its place. Raises UsageError for
    a suffix, a part or a model that cannot be exported, and where a package is missing; CheckFailedError where answers
    differ by more than 1e-4, and KinemaError where the exporter does not follow the model.
    """
    out = Path(out)
    if out.suffix != ".onnx":
        raise UsageError(expected="a file called .onnx", got=out.name, cure="Change its name.")
    if (folder := model_folder(model)) is None:
        raise UsageError(
            expected="a model with weights",
            got=f"{model}, which is a formula and has none",
            cure="Choose a model of `kinema models` with parameters, or a run folder.",
        )
    for package in ("onnx", "onnxscript") + (("onnxruntime",) if check else ()):
        require(package, "which exporting needs", "export")
    loaded = load_model(folder)
    parts = parts_of(loaded)
    if part is not None and part not in parts:
        raise unknown_name(f"part of {folder.name}", part, parts)
    chosen = parts[part] if part is not None else next(iter(parts.values()))
    page = page_of(loaded, chosen, folder.name)
    with atomic_path(out) as beside:
        write_graph(chosen, beside, json.dumps(page))
        difference = check_graph(chosen, beside) if check else None
    side = out.with_suffix(".json")
    write_text(side, json.dumps({**page, "difference": difference}, indent=1) + "\n")
    return Exported(out, side, chosen.name, tuple(name for name in parts if name != chosen.name), difference)


def page_of(loaded: Adapter, part: PortedNetwork, name: str) -> dict[str, Any]:
    """What a user of the graph must know, as JSON data."""
    representation, recipe = loaded.trained_representation(), loaded.card.recipe
    assert recipe is not None
    meaning = " ".join((type(representation).__doc__ or "").split("\n\n")[0].split())
    return {
        "kinema": VERSION,
        "model": name,
        "part": part.name,
        "says": part.says,
        "inputs": [_described(port) for port in part.inputs],
        "outputs": [_described(port) for port in part.outputs],
        "notes": dict(part.notes),
        "fps": representation.fps,
        "features": {
            "meaning": meaning,
            "width": representation.width,
            "tokens": list(getattr(representation, "joints", ())),
            "token_of_feature": list(representation.token_of_feature),
            "representation": to_json(recipe.representation),
            "mean": representation.statistics.mean.tolist(),
            "std": representation.statistics.std.tolist(),
            "standardised": "inside: give and take features in their own units",
        },
        "skeleton": skeleton_to_json(representation.skeleton),
        "licence": loaded.card.licence,
    }


def write_graph(part: PortedNetwork, file: Path, page: str) -> None:
    """The network as ONNX in one file, `page` in its metadata. Raises KinemaError where it cannot be traced."""
    # Windows of very few frames would need other graphs; a batch of one, or no token yet, do not.
    words = {word: torch.export.Dim(word, min=4 if word == "frame" else None) for word in part.words}
    example = part.example(_TRACED, torch.Generator().manual_seed(0))
    network = part.network.eval().requires_grad_(False)
    shapes = {port.name: _free(port, words) for port in part.inputs}
    try:
        with warnings.catch_warnings(), _quiet(), torch.no_grad():
            warnings.simplefilter("ignore")
            traced = torch.export.export(network, (), kwargs=example, dynamic_shapes=shapes, strict=False)
            graphs = [each for each in traced.graph_module.modules() if isinstance(each, torch.fx.GraphModule)]
            if any(node.target in _RUNNING for each in graphs for node in each.graph.nodes):
                traced = traced.run_decompositions(_RUNNING)
            names = ([port.name for port in part.inputs], [port.name for port in part.outputs])
            program = cast("Any", torch.onnx.export(
                traced, input_names=names[0], output_names=names[1], dynamo=True, verbose=False
            ))  # fmt: skip
            program.model.metadata_props["kinema"] = page
            program.save(str(file), external_data=False)
    except Exception as error:  # the exporter has no error of its own for what it cannot follow
        raise KinemaError(
            expected=f"a network that torch's exporter follows (part {part.name})",
            got=" ".join(str(error).split())[:300],
            cure="Bring torch, onnx and onnxscript up to date; if that does not help, tell us which model it was.",
        ) from error


def check_graph(part: PortedNetwork, file: Path) -> float:
    """The largest difference between graph and network on inputs of two sizes. Raises CheckFailedError above 1e-4."""
    session = open_session(file)
    worst = 0.0
    for seed, sizes in enumerate(_ASKED):
        example = part.example(sizes, torch.Generator().manual_seed(seed + 1))
        with torch.inference_mode():
            answer = part.network(**example)
        wanted = answer if isinstance(answer, tuple) else (answer,)
        found = session.run(None, {name: value.numpy() for name, value in example.items()})
        worst = max(worst, *(difference(one, other) for one, other in zip(wanted, found, strict=True)))
    if not worst <= TOLERANCE:
        raise CheckFailedError(
            expected=f"the model's answers from the graph of part {part.name}, to {TOLERANCE:g}",
            got=f"a difference of {worst:.3g}",
            cure="Bring onnxruntime up to date; --no-check writes the file nevertheless.",
        )
    return worst


def open_session(file: Path, threads: int = 1) -> Any:
    """The graph, ready to run in onnxruntime on the CPU."""
    runtime = require("onnxruntime", "which runs ONNX files", "export")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def difference(wanted: Tensor, found: np.ndarray[Any, Any]) -> float:
    """The largest of two answers; infinite where shapes, kinds, or (of whole numbers) anything at all differs."""
    truth = wanted.numpy()
    if truth.shape != found.shape or truth.dtype != found.dtype:
        return float("inf")
    if truth.dtype.kind != "f":
        return 0.0 if bool((truth == found).all()) else float("inf")
    return float(np.abs(truth - found).max(initial=0.0))


def _described(port: Port) -> dict[str, Any]:
    return {**asdict(port), "axes": list(port.axes)}


def _free(port: Port, words: Mapping[str, Any]) -> dict[int, Any]:
    """The free axes of a port, as torch.export has them."""
    free: dict[int, Any] = {}
    for place, axis in enumerate(port.axes):
        if isinstance(axis, str):
            number, word = factor_of(axis)
            free[place] = words[word] if number == 1 else number * words[word]
    return free


def _running(x: Tensor, dim: int, *, largest: bool) -> tuple[Tensor, Tensor]:
    """cummax and cummin, which ONNX lacks: of every place the extreme of those up to it. Indices are not used."""
    x = x.movedim(dim, -1)
    place = torch.arange(x.shape[-1])
    limits = torch.iinfo(x.dtype)
    earlier = place[None, :] <= place[:, None]
    spread = torch.where(earlier, x[..., None, :], limits.min if largest else limits.max)
    values = (spread.amax(-1) if largest else spread.amin(-1)).movedim(-1, dim)
    return values, torch.zeros_like(values)


_RUNNING: dict[Any, Any] = {
    torch.ops.aten.cummax.default: lambda x, dim: _running(x, dim, largest=True),
    torch.ops.aten.cummin.default: lambda x, dim: _running(x, dim, largest=False),
}


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Without the exporter's log, which warns of packages that nobody asked for."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
