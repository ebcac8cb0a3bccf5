"""A part of a model as an ONNX file, checked against the model, with a JSON that describes its inputs and outputs.

A part computes one pass of the model, in the features' own units (metres, radians). The loops around it (a longer
forecast, denoising steps, token after token) are the user's; `notes` hold what they need.
"""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from kinema.apps.onnx.ports import Port, PortedNetwork, factor_of
from kinema.apps.onnx.runtime import session_of
from kinema.apps.onnx.tokens import cached_part, decode_part, encode_part, step_part
from kinema.apps.onnx.windows import denoiser_part, forecast_part, frames_part, gap_part, inbetween_part
from kinema.core.atomic import atomic_path, write_text
from kinema.core.constants import VERSION
from kinema.core.errors import CheckFailedError, KinemaError, UsageError, require, unknown_name
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.checkpoints.checkpoint import load_model
from kinema.pipeline.open import model_folder
from kinema.recipes.codec import to_json
from kinema.training.checkpoint import skeleton_to_json

TOLERANCE = 1e-4
_TRACED: Mapping[str, int] = {
    "batch": 2, "sample": 3, "frame": 12, "token": 6, "earlier": 7, "later": 3, "node": 5
}  # fmt: skip
_ASKED: Sequence[Mapping[str, int]] = (
    _TRACED,
    {"batch": 1, "sample": 1, "frame": 23, "token": 9, "earlier": 1, "later": 1, "node": 16},
)

_MANY = 2000  # nodes, of which rewriting takes minutes: onnxruntime optimises such a graph by itself

# Each takes the adapter, its model and its representation. A model lists the names of its parts (`Model.graphs`).
_GRAPHS: Mapping[str, Callable[[Adapter, Any, Any], PortedNetwork]] = {
    "forecast": lambda adapter, model, space: forecast_part(
        model, space, symmetric=adapter.symmetric, share=adapter.share
    ),
    "denoiser": lambda _, model, space: denoiser_part(model, space),
    "frames": lambda _, model, space: frames_part(model, space),
    "inbetween": lambda _, model, space: inbetween_part(model, space),
    "gap": lambda _, model, space: gap_part(model, space),
    "encode": lambda _, model, space: encode_part(getattr(model, "tokeniser", model), space),
    "decode": lambda _, model, space: decode_part(getattr(model, "tokeniser", model), space),
    "step": lambda adapter, model, _: step_part(model, adapter.actions),
    "cached": lambda adapter, model, _: cached_part(model, adapter.actions),
}


@dataclass(frozen=True)
class Exported:
    """The two files, the other parts of the model, and the largest difference found (None: not checked)."""

    graph: Path
    page: Path
    part: str
    others: tuple[str, ...]
    difference: float | None


def export(model: str | Path, out: Path | str, part: str | None = None, *, check: bool = True) -> Exported:
    """Write a part of a model (default: its main one) to `out`, .onnx, and its description to a .json beside it.

    With `check`, onnxruntime first runs the file on inputs of two sizes. Raises UsageError for a wrong suffix, an
    unknown part, a model without parts or a missing package; CheckFailedError if answers differ by more than 1e-4;
    KinemaError if torch's exporter fails.
    """
    out = Path(out)
    if out.suffix != ".onnx":
        raise UsageError(expected="a file called .onnx", got=out.name, cure=f"Name it {out.stem}.onnx.")
    if (folder := model_folder(model)) is None:
        raise UsageError(
            expected="a model with weights",
            got=f"{model}, which has no weights",
            cure="Choose a shipped model (`kinema models` lists them), or a run folder.",
        )
    for package in ("onnx", "onnxscript") + (("onnxruntime",) if check else ()):
        require(package, "export", "which exporting needs")
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


def parts_of(adapter: Adapter) -> dict[str, PortedNetwork]:
    """The parts of a model by name, the main one first. Raises UsageError if it has none."""
    model, representation = adapter.model, adapter.trained_representation()
    if not model.graphs:
        raise UsageError(
            expected="a model of siMLPe, ConvSeq2Seq, SMRNet, Render-In-Between or PoseGPT",
            got=f"one of {type(model).__name__}, whose answer is not one network with inputs of fixed meaning",
            cure="Use the model in Python: kinema.open(NAME).",
        )
    parts = [_GRAPHS[name](adapter, model, representation) for name in model.graphs]
    return {part.name: part for part in parts}


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
    # Windows of very few frames need other graphs; a batch of one or no token yet does not.
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
                traced, input_names=names[0], output_names=names[1], dynamo=True, verbose=False,
                optimize=len(traced.graph.nodes) < _MANY,
            ))  # fmt: skip
            program.model.metadata_props["kinema"] = page
            program.save(str(file), external_data=False)
    except Exception as error:  # the exporter raises many types
        raise KinemaError(
            expected=f"a network that torch can export (part {part.name})",
            got=" ".join(str(error).split())[:300],
            cure="Update the exporter: pip install -U torch onnx onnxscript.",
        ) from error


def check_graph(part: PortedNetwork, file: Path) -> float:
    """The largest difference between graph and network on inputs of two sizes. Raises CheckFailedError above 1e-4."""
    session = session_of(file)
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
            cure="Update it (pip install -U onnxruntime), or write the file without the check: --no-check.",
        )
    return worst


def difference(wanted: Tensor, found: np.ndarray[Any, Any]) -> float:
    """The largest difference of two answers; infinite if shapes or types differ, or any whole number."""
    truth = wanted.numpy()
    if truth.shape != found.shape or truth.dtype != found.dtype:
        return float("inf")
    if truth.dtype.kind != "f":
        return 0.0 if bool((truth == found).all()) else float("inf")
    return float(np.abs(truth - found).max(initial=0.0))


def _described(port: Port) -> dict[str, Any]:
    return {**asdict(port), "axes": list(port.axes)}


def _free(port: Port, words: Mapping[str, Any]) -> dict[int, Any]:
    """The free axes of a port, as torch.export expects them."""
    free: dict[int, Any] = {}
    for place, axis in enumerate(port.axes):
        if isinstance(axis, str):
            number, word = factor_of(axis)
            free[place] = words[word] if number == 1 else number * words[word]
    return free


def _running(x: Tensor, dim: int, *, largest: bool) -> tuple[Tensor, Tensor]:
    """cummax and cummin, which ONNX lacks: the extreme of all values up to each place. The indices are not used."""
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
    """Silence the exporter's log, which warns of optional packages."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
