"""What a detector does to jets: rotate before it, smear, sum into cells; its random numbers."""

from pyg_jets.detector.cells import cells
from pyg_jets.detector.detector import Detector
from pyg_jets.detector.grid import Calorimeter, Grid
from pyg_jets.detector.response import KINDS, Response
from pyg_jets.detector.rotate import rotate
from pyg_jets.detector.rotate_image import rotate_image
from pyg_jets.detector.smear import smear

__all__ = [
    "KINDS",
    "Calorimeter",
    "Detector",
    "Grid",
    "Response",
    "cells",
    "rotate",
    "rotate_image",
    "smear",
]
