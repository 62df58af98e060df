"""Every feature, one row each. Hooks run in this order.

To add one: a file here with a subclass of ``engine.feature.Feature``, and a row below.
"""

from sdcolab.engine.feature import Feature
from sdcolab.engine.features.cfg_rescale import RescaledGuidance
from sdcolab.engine.features.control import ControlNet
from sdcolab.engine.features.details import DetailPass
from sdcolab.engine.features.embeddings import Embeddings
from sdcolab.engine.features.faces import RestoredFaces
from sdcolab.engine.features.forecast import StepForecast
from sdcolab.engine.features.freeu import FreeLunch
from sdcolab.engine.features.guidance import LeftOutNegative
from sdcolab.engine.features.hires import HiresFix
from sdcolab.engine.features.hypernetworks import Hypernetworks
from sdcolab.engine.features.init_image import FromPictures
from sdcolab.engine.features.inversion import FromItsNoise
from sdcolab.engine.features.lora import Lora
from sdcolab.engine.features.picture_guidance import PictureGuidance
from sdcolab.engine.features.refiner import RefinerSwitch
from sdcolab.engine.features.regions import RegionalPrompts
from sdcolab.engine.features.tiling import Tiling
from sdcolab.engine.features.token_merging import TokenMerging

FEATURES: tuple[type[Feature], ...] = (
    HiresFix,
    FromPictures,
    FromItsNoise,
    RefinerSwitch,
    LeftOutNegative,
    PictureGuidance,
    StepForecast,
    Embeddings,
    Lora,
    Hypernetworks,
    TokenMerging,
    ControlNet,
    RegionalPrompts,
    RescaledGuidance,
    Tiling,
    FreeLunch,
    RestoredFaces,
    DetailPass,
)
