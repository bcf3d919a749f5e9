"""A network and a loss of one's own, named by class_path, train and are refused in words."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from pyg_jets.cli.main import main
from pyg_jets.losses import ClassificationLoss, InvarianceLoss, Loss, TermLoss, VAELoss
from pyg_jets.nn import AUTOENCODERS, MODELS, PFN
from pyg_jets.nn.protocol import GeneratorModel, TaggerModel
from pyg_jets.runs import load_run
from pyg_jets.training import Generator, Tagger

OWN = '''
import torch
from torch import nn
from pyg_jets.losses import TermLoss


class CountTagger(nn.Module):
    """Logits from the number of particles and the summed features."""

    def __init__(self, width: int = 4):
        super().__init__()
        self.layers = nn.Sequential(nn.LazyLinear(width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x, ptr, pos=None):
        jet = torch.repeat_interleave(torch.arange(len(ptr) - 1), ptr.diff())
        summed = x.new_zeros(len(ptr) - 1, x.size(1)).index_add(0, jet, x)
        return self.layers(torch.cat((summed, ptr.diff().unsqueeze(1)), 1))


class BrierLoss(TermLoss):
    """Squared error of the probability, which rises with the epoch."""

    def terms(self, output, batch, epoch=None):
        error = (output.flatten().sigmoid() - batch.y) ** 2
        return {"brier": error.mean(), "epoch": torch.tensor(0.0 if epoch is None else epoch)}
'''

CONFIG = """
model:
  network: {class_path: own_jets.CountTagger, init_args: {width: 8}}
  loss: {class_path: own_jets.BrierLoss}
data:
  dataset: {class_path: pyg_jets.datasets.ToyJets, init_args: {root: ROOT, n_jets: 60}}
  features: {names: [eta, phi, pt], axis: origin}
trainer: {max_epochs: 2, accelerator: cpu, logger: false, enable_progress_bar: false}
"""


def test_a_network_and_a_loss_of_ones_own_train(tmp_path, monkeypatch):
    (tmp_path / "own_jets.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    config = tmp_path / "own.yaml"
    config.write_text(CONFIG.replace("ROOT", str(tmp_path / "data")))
    assert main(["fit", "--config", str(config), "--run", str(tmp_path / "run")]) == 0
    run = load_run(tmp_path / "run")
    assert run.provenance["network_name"] == "CountTagger"
    assert run.history["train/epoch"].tolist() == [0, 1]
    assert 0 < run.history["train/brier"][0] < 1


@pytest.mark.parametrize("loss", [ClassificationLoss(), InvarianceLoss(), VAELoss()])
def test_losses_follow_their_protocol(loss):
    assert isinstance(loss, Loss)


def test_networks_follow_their_protocols():
    assert all(isinstance(make(), TaggerModel) for make in MODELS)
    assert all(isinstance(make(), GeneratorModel) for make in AUTOENCODERS)
    assert not isinstance(PFN(), GeneratorModel)


def test_the_total_of_terms_without_coefficients_is_their_sum():
    class TwoTerms(TermLoss):
        def terms(self, output, batch, epoch=None):
            return {"a": output.mean(), "b": batch.y.sum()}

    assert TwoTerms()(torch.ones(2), Data(y=torch.tensor([1.0, 2.0]))) == 4
    with pytest.raises(NotImplementedError):
        TermLoss()(torch.ones(2))


def test_what_does_not_follow_a_protocol_is_refused():
    with pytest.raises(TypeError, match="The loss BCELoss lacks the methods terms and total"):
        Tagger(PFN(), nn.BCELoss())
    with pytest.raises(TypeError, match="PFN cannot make jets"):
        Generator(PFN())
