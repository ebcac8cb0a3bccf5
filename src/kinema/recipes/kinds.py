"""The classes that a recipe may name: every source, representation, task and model that can be written as JSON.

An explicit table, so that reading a recipe can build nothing else. A class of one's own is added to it under a name of
one's own: `KINDS["MyModel"] = MyModel.Config`.
"""

from __future__ import annotations

from kinema.data.amass import Amass
from kinema.data.babel import Babel
from kinema.data.cmu_forecast import CmuForecast
from kinema.data.folder import Folder
from kinema.data.h36m_camera import H36MCamera
from kinema.data.h36m_expmap import H36MExpmap
from kinema.data.h36m_positions import H36MPositions
from kinema.data.humaneva_positions import HumanEvaPositions
from kinema.data.keys import Keys, ReleasedKeys
from kinema.data.labelled import LabelledFolder, LabelledPack
from kinema.data.mixed import Mixed
from kinema.data.open_motion import OpenMotion
from kinema.data.packs import RotationPack
from kinema.data.pose_folder import PoseFolder
from kinema.data.synthetic import Synthetic
from kinema.data.tasks import Forecast, Generate
from kinema.data.viewed import Viewed
from kinema.models.action_gan import ActionGAN
from kinema.models.action_gan_pose import PoseGAN
from kinema.models.action_gan_walk import TaughtWalk
from kinema.models.classifier import Classifier
from kinema.models.conv_seq2seq import ConvSeq2Seq
from kinema.models.posegpt import PoseGPT
from kinema.models.posegpt_tokens import PoseTokens
from kinema.models.render_in_between import RenderInBetween
from kinema.models.render_in_between_gaps import GapReader
from kinema.models.render_in_between_released import RenderInBetweenReleased
from kinema.models.simlpe import SiMLPe
from kinema.models.smrnet import SMRNet
from kinema.motion.benchmark_rows import BenchmarkRowsConfig
from kinema.motion.represent import RootPositionsConfig, RotationVectorsConfig
from kinema.motion.represent_centred import CentredPositionsConfig
from kinema.motion.represent_heading import HeadingRotationsConfig
from kinema.motion.represent_picture import PictureKeypointsConfig
from kinema.motion.represent_view import ViewedPositionsConfig
from kinema.motion.represent_world import RootedRotationsConfig, WorldPositionsConfig

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
    "GapReader": GapReader.Config,
    "RenderInBetween": RenderInBetween.Config,
    "RenderInBetweenReleased": RenderInBetweenReleased.Config,
    "RootPositions": RootPositionsConfig,
    "RootedRotations": RootedRotationsConfig,
    "RotationPack": RotationPack,
    "RotationVectors": RotationVectorsConfig,
    "SMRNet": SMRNet.Config,
    "SiMLPe": SiMLPe.Config,
    "Synthetic": Synthetic,
    "TaughtWalk": TaughtWalk.Config,
    "Viewed": Viewed,
    "ViewedPositions": ViewedPositionsConfig,
    "WorldPositions": WorldPositionsConfig,
}
