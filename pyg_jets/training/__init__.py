"""Lightning tasks, data module, run folders."""

from pyg_jets.training.data import JetDataModule
from pyg_jets.training.generator import Generator
from pyg_jets.training.run_folder import RunFolder
from pyg_jets.training.sample import TrainingSample
from pyg_jets.training.selection import SelectByEMD
from pyg_jets.training.tagger import Tagger

__all__ = ["Generator", "JetDataModule", "RunFolder", "SelectByEMD", "Tagger", "TrainingSample"]
