"""Detectors: jets are rotated before them, particles are smeared, and energy is summed in cells."""

from pyg_jets.detector.calorimeter import Calorimeter, Grid
from pyg_jets.detector.detector import Detector
from pyg_jets.detector.pileup import Pileup
from pyg_jets.detector.response import KINDS, Response
from pyg_jets.detector.rotate_image import rotate_image
from pyg_jets.detector.steps import cells, rotate, smear

__all__ = [
    "KINDS",
    "Calorimeter",
    "Detector",
    "Grid",
    "Pileup",
    "Response",
    "cells",
    "rotate",
    "rotate_image",
    "smear",
]
