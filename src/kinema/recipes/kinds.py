"""The classes that a recipe may name: every source, representation, task and model that can be written as JSON.

An explicit table, so that reading a recipe can build nothing else. `register` adds a class from outside.
"""

from __future__ import annotations

from kinema.data.keyframe_task import Keys, ReleasedKeys
from kinema.data.sources.amass import Amass
from kinema.data.sources.babel import Babel
from kinema.data.sources.cmu import CmuForecast
from kinema.data.sources.composed import Mixed, Viewed
from kinema.data.sources.folder import Folder, LabelledFolder
from kinema.data.sources.h36m_camera import H36MCamera
from kinema.data.sources.h36m_rotations import H36MExpmap
from kinema.data.sources.open_motion import OpenMotion
from kinema.data.sources.packs import LabelledPack, RotationPack
from kinema.data.sources.pose_folder import PoseFolder
from kinema.data.sources.position_archives import H36MPositions, HumanEvaPositions
from kinema.data.synthetic import Synthetic
from kinema.data.tasks import Forecast, Generate
from kinema.models.action_gan.earlier_stages import PoseGAN, PretrainedWalk
from kinema.models.action_gan.model import ActionGAN
from kinema.models.classifier import Classifier
from kinema.models.conv_seq2seq.model import ConvSeq2Seq
from kinema.models.posegpt.model import PoseGPT
from kinema.models.posegpt.tokenizer import PoseTokens
from kinema.models.render_in_between.gap_transformer import GapTransformer
from kinema.models.render_in_between.model import RenderInBetween
from kinema.models.render_in_between.released import RenderInBetweenReleased
from kinema.models.simlpe.model import SiMLPe
from kinema.models.smrnet.model import SMRNet
from kinema.representations.cmu_rows import BenchmarkRowsConfig
from kinema.representations.heading import HeadingRotationsConfig
from kinema.representations.picture import PictureKeypointsConfig, ViewedPositionsConfig
from kinema.representations.positions import CentredPositionsConfig, RootPositionsConfig, WorldPositionsConfig
from kinema.representations.rotations import RootedRotationsConfig, RotationVectorsConfig

KINDS: dict[str, type] = {
    "ActionGAN": ActionGAN.Config,
    "Amass": Amass,
    "Babel": Babel,
    "BenchmarkRows": BenchmarkRowsConfig,
    "CentredPositions": CentredPositionsConfig,
    "Classifier": Classifier.Config,
    "CmuForecast": CmuForecast,
    "ConvSeq2Seq": ConvSeq2Seq.Config,
    "Folder": Folder,
    "Forecast": Forecast,
    "Generate": Generate,
    "H36MCamera": H36MCamera,
    "H36MExpmap": H36MExpmap,
    "H36MPositions": H36MPositions,
    "HeadingRotations": HeadingRotationsConfig,
    "HumanEvaPositions": HumanEvaPositions,
    "Keys": Keys,
    "LabelledFolder": LabelledFolder,
    "LabelledPack": LabelledPack,
    "Mixed": Mixed,
    "OpenMotion": OpenMotion,
    "PictureKeypoints": PictureKeypointsConfig,
    "PoseFolder": PoseFolder,
    "PoseGAN": PoseGAN.Config,
    "PoseGPT": PoseGPT.Config,
    "PoseTokens": PoseTokens.Config,
    "ReleasedKeys": ReleasedKeys,
    "GapTransformer": GapTransformer.Config,
    "RenderInBetween": RenderInBetween.Config,
    "RenderInBetweenReleased": RenderInBetweenReleased.Config,
    "RootPositions": RootPositionsConfig,
    "RootedRotations": RootedRotationsConfig,
    "RotationPack": RotationPack,
    "RotationVectors": RotationVectorsConfig,
    "SMRNet": SMRNet.Config,
    "SiMLPe": SiMLPe.Config,
    "Synthetic": Synthetic,
    "TaughtWalk": PretrainedWalk.Config,
    "Viewed": Viewed,
    "ViewedPositions": ViewedPositionsConfig,
    "WorldPositions": WorldPositionsConfig,
}


def register(name: str, made: type) -> None:
    """Let recipes name the class `made` by `name` in their JSON; one of the same name is replaced."""
    KINDS[name] = made
