"""The classes that a recipe may name: every source, representation, task and model that can be written as JSON.

An explicit table, so that reading a recipe can build nothing else. A class of one's own is added to it under a name of
one's own: `KINDS["MyModel"] = MyModel.Config`.
"""

from __future__ import annotations

from kinema.data.cmu_forecast import CmuForecast
from kinema.data.folder import Folder
from kinema.data.packs import RotationPack
from kinema.data.synthetic import Synthetic
from kinema.data.tasks import Forecast
from kinema.models.simlpe import SiMLPe
from kinema.motion.represent import RootPositionsConfig, RotationVectorsConfig

KINDS: dict[str, type] = {
    "CmuForecast": CmuForecast,
    "Folder": Folder,
    "Forecast": Forecast,
    "RootPositions": RootPositionsConfig,
    "RotationPack": RotationPack,
    "RotationVectors": RotationVectorsConfig,
    "SiMLPe": SiMLPe.Config,
    "Synthetic": Synthetic,
}
