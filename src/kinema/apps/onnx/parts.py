"""What of a model can leave as a graph: its parts, with the names and shapes of what goes in and comes out.

A part takes and gives numbers in their own units (metres, radians): the scaling by the training set's mean and
deviation is inside. What a part says of one pass is what the model says; the loops around it (feeding an answer back,
walking down the levels of noise, token after token) are the user's, and `notes` hold what they need for it.
"""

from __future__ import annotations

from kinema.apps.onnx.denoiser import denoiser_part, frames_part
from kinema.apps.onnx.ports import Part
from kinema.apps.onnx.tokens import cached_part, decode_part, encode_part, step_part
from kinema.apps.onnx.windows import forecast_part, inbetween_part
from kinema.core.errors import UsageError
from kinema.models.conv_seq2seq.model import ConvSeq2Seq
from kinema.models.posegpt.model import PoseGPT
from kinema.models.posegpt.tokenizer import PoseTokens
from kinema.models.render_in_between.model import RenderInBetween
from kinema.models.simlpe.model import SiMLPe
from kinema.models.smrnet.model import SMRNet
from kinema.pipeline.checkpoint import Loaded


def parts_of(loaded: Loaded) -> dict[str, Part]:
    """The parts of a model by name, the main one first. Raises UsageError, with the reason, where there are none."""
    model, representation = loaded.model, loaded.representation
    if isinstance(model, SiMLPe | ConvSeq2Seq):
        found = [forecast_part(model, representation, symmetric=loaded.recipe.symmetric)]
    elif isinstance(model, SMRNet):
        found = [denoiser_part(model, representation), frames_part(model, representation)]
    elif isinstance(model, RenderInBetween):
        found = [inbetween_part(model, representation)]
    elif isinstance(model, PoseTokens):
        found = [encode_part(model, representation), decode_part(model, representation)]
    elif isinstance(model, PoseGPT) and isinstance(model.tokeniser, PoseTokens):
        halves = (encode_part(model.tokeniser, representation), decode_part(model.tokeniser, representation))
        found = [step_part(model, loaded.actions), cached_part(model, loaded.actions), *halves]
    else:
        raise UsageError(
            expected="a model of siMLPe, ConvSeq2Seq, SMRNet, Render-In-Between (not its released form) or PoseGPT",
            got=f"one of {type(model).__name__}, whose answer is not one network with inputs of fixed meaning",
            cure="Ask it in Python: kinema.open_run.",
        )
    return {part.name: part for part in found}
