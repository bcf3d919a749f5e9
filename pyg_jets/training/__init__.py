"""Lightning tasks, the data module, run folders and the models that are read from them."""

from pyg_jets.training.checkpoint import read_checkpoint
from pyg_jets.training.cosine_decay import CosineDecay
from pyg_jets.training.data import JetDataModule
from pyg_jets.training.fit_multiplicity import FitMultiplicity
from pyg_jets.training.generation_stage import GenerationStage
from pyg_jets.training.generator import Generator
from pyg_jets.training.load import load_generator, load_tagger
from pyg_jets.training.refit_prior import RefitPrior
from pyg_jets.training.resume import EpochCheckpoint
from pyg_jets.training.run_folder import RunFolder
from pyg_jets.training.sample import TrainingSample
from pyg_jets.training.scores import predict
from pyg_jets.training.selection import SelectByEMD
from pyg_jets.training.tagger import Tagger

__all__ = [
    "CosineDecay",
    "EpochCheckpoint",
    "FitMultiplicity",
    "GenerationStage",
    "Generator",
    "JetDataModule",
    "RefitPrior",
    "RunFolder",
    "SelectByEMD",
    "Tagger",
    "TrainingSample",
    "load_generator",
    "load_tagger",
    "predict",
    "read_checkpoint",
]
