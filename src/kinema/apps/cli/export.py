"""`kinema export MODEL FILE`: a model for programs without torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from kinema.apps.cli.console import Json, note


def export(
    model: str,
    out: Path,
    *,
    part: str | None = None,
    check: bool = True,
    as_json: Json = False,
) -> None:
    """Write a part of a model as ONNX, and beside it a JSON that says how to feed it.

    Parameters
    ----------
    model
        A shipped model (see `kinema models`) or a run folder.
    out
        Where to write: .onnx. What goes in and out is said in a file of that name with .json.
    part
        forecast (siMLPe, ConvSeq2Seq), denoiser or frames (SMRNet), inbetween (Render-In-Between), step, cached, encode
        or decode (PoseGPT). Default: the first one that the model has.
    check
        Compare the answers of onnxruntime with the model's, and fail above 1e-4.
    as_json
        Say on standard output, as JSON, what was written.
    """
    from kinema.apps.onnx import export as export_model

    done = export_model(model, out, part, check=check)
    if as_json:
        print(json.dumps({**asdict(done), "graph": str(done.graph), "page": str(done.page)}))
        return
    difference = "not checked" if done.difference is None else f"at most {done.difference:.1e} from the model"
    if done.others and part is None:
        note(f"this is the part {done.part}; others: {', '.join(done.others)} (--part)")
    print(f"{done.graph} ({difference}), {done.page}")
