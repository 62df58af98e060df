"""The families that can be loaded, one row each.

To add one: a folder here with its ``Family``, a row below, and its row in ``core.architectures`` (``OWN_FAMILIES``).
"""

from collections.abc import Mapping
from types import MappingProxyType

from sdcolab.core.detect import ModelFamily
from sdcolab.engine.families.base import Family
from sdcolab.engine.families.sd1 import SD1
from sdcolab.engine.families.sd2 import SD2
from sdcolab.engine.families.sdxl import SDXL
from sdcolab.engine.families.sdxl_refiner import SDXL_REFINER

FAMILIES: Mapping[ModelFamily, Family] = MappingProxyType(
    {family.id: family for family in (SD1, SD2, SDXL, SDXL_REFINER)}
)

__all__ = ["FAMILIES", "Family"]
