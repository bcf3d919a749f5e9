"""The sections of the study, in the order of the page."""

from pyg_jets.studies.generation.conv import ConvBaseline
from pyg_jets.studies.generation.digits import Digits
from pyg_jets.studies.generation.gen_reco import GenToReco
from pyg_jets.studies.generation.noise import Noise

__all__ = ["SECTIONS"]

SECTIONS = (Digits(), GenToReco(), Noise(), ConvBaseline())
