"""Lightning tasks, data module, run folders."""

from pyg_jets.training.data import JetDataModule
from pyg_jets.training.run_folder import RunFolder
from pyg_jets.training.sample import TrainingSample
from pyg_jets.training.tagger import Tagger

__all__ = ["JetDataModule", "RunFolder", "Tagger", "TrainingSample"]
