"""A training in two stages: the switch, what it fixes, rates, and going on after a kill."""

import math

import lightning
import pytest
import torch

from pyg_jets.datasets import ToyJets
from pyg_jets.errors import InputError, InputTypeError
from pyg_jets.losses import TwoStageLoss
from pyg_jets.nn import ComparisonFeatures, GraphVAE, JetVAE
from pyg_jets.training import (
    EpochCheckpoint,
    GenerationStage,
    Generator,
    JetDataModule,
    RefitPrior,
)
from pyg_jets.transforms import Features, LeadingParticles

# lightning 2.6 warns of a folder in which a training goes on
pytestmark = pytest.mark.filterwarnings("ignore:Checkpoint directory .* is not empty:UserWarning")

EPOCHS, SECOND = 4, 2
SMALL = {"latent": 3, "hidden": (8,), "rank": 4, "encoder_hidden": 4, "max_particles": 12,
         "components": 2, "samples": 40, "features": ComparisonFeatures(3, 3, 4, 4)}  # fmt: skip


class Killed(BaseException):
    """Stands for a kill: nothing is written or cleaned up after it."""


class Watch(lightning.Callback):
    """Notes rates and weights; ends a training in the second step of an epoch."""

    def __init__(self, kill=None):
        self.kill, self.rates, self.states, self.stages = kill, [], [], []

    def on_train_epoch_start(self, trainer, pl_module):
        state = pl_module.network.state_dict()
        self.states.append({name: value.clone() for name, value in state.items()})
        self.stages.append(pl_module.network.generating)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (self.kill, 1):
            raise Killed
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def train(folder, watch, resume=False, network=None, stage=None, epochs=EPOCHS):
    """Fit from the start, or from the last checkpoint. Returns the task and the trainer."""
    lightning.seed_everything(3, verbose=False)
    jets = ToyJets(str(folder.parent / "data"), n_jets=120)
    features = Features(["pt", "etarel", "phirel"], fixed=False)
    data = JetDataModule(jets, features, LeadingParticles(12), batch_size=24, spread_angles=0)
    network = JetVAE(**SMALL) if network is None else network
    task = Generator(network, TwoStageLoss(), lambda p: torch.optim.AdamW(p, 0.01))
    saved = EpochCheckpoint(folder, "best", None)
    stage = GenerationStage(SECOND, lr=0.002) if stage is None else stage
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, check_val_every_n_epoch=epochs,
        callbacks=[stage, RefitPrior(in_checkpoints=False), saved, watch],
    )  # fmt: skip
    last = folder / "last.ckpt" if resume else None
    trainer.fit(task, data, ckpt_path=last, weights_only=True)
    return task, trainer


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    watch = Watch()
    task, trainer = train(tmp_path_factory.mktemp("stages") / "whole", watch)
    return task, trainer, watch


def changed(before, after, part):
    return [name for name in before if name.startswith(part)
            and not torch.equal(before[name], after[name])]  # fmt: skip


def test_the_second_stage_trains_the_decoder_alone(undisturbed):
    task, _, watch = undisturbed
    assert watch.stages == [False, False, True, True]
    first, second, third, fourth = watch.states
    last = task.network.state_dict()
    assert changed(first, second, "encoder")
    for before, after in ((third, fourth), (fourth, last)):
        assert changed(before, after, "decoder")
        assert not changed(before, after, "encoder")
        assert not changed(before, after, "mixture")
    assert changed(second, third, "mixture")  # fitted at the switch
    assert all(not p.requires_grad for p in task.network.encoder.parameters())


def test_the_prior_of_the_second_stage_is_that_of_its_encoder(undisturbed):
    task, trainer, _ = undisturbed
    again = JetVAE(**SMALL)
    again.load_state_dict(task.network.state_dict())
    again.fit_prior(trainer.datamodule.statistics_dataloader())
    for name, value in again.mixture.state_dict().items():
        torch.testing.assert_close(value, task.network.mixture.state_dict()[name])


def test_rates_of_both_stages(undisturbed):
    _, trainer, watch = undisturbed
    steps = SECOND * trainer.num_training_batches
    assert len(watch.rates) == 2 * steps
    for highest, rates in ((0.01, watch.rates[:steps]), (0.002, watch.rates[steps:])):
        want = [
            highest * (i + 1) / 100 * 0.5 * (1 + math.cos(math.pi * i / steps))
            for i in range(steps)
        ]
        assert rates == pytest.approx(want)


@pytest.mark.parametrize("epoch", [1, 2, 3], ids=["first stage", "after the switch", "second"])
def test_a_killed_training_ends_as_if_undisturbed(undisturbed, tmp_path, epoch):
    task, _, _ = undisturbed
    with pytest.raises(Killed):
        train(tmp_path / "run", Watch(kill=epoch))
    again, _ = train(tmp_path / "run", Watch(), resume=True)
    for name, value in task.network.state_dict().items():
        torch.testing.assert_close(again.network.state_dict()[name], value, msg=name)


def test_what_has_no_two_stages_is_refused(tmp_path):
    with pytest.raises(InputTypeError, match="GraphVAE has no second stage"):
        train(tmp_path / "run", Watch(), network=GraphVAE(latent=2, components=1))
    with pytest.raises(InputError, match="above the 4 epochs of the second stage, but got 4"):
        train(tmp_path / "run", Watch(), stage=GenerationStage(4))
    for epochs, lr in ((0, 1e-3), (3, 0.0), (3, math.inf)):
        with pytest.raises(InputError, match="epochs of at least 1 and lr above 0"):
            GenerationStage(epochs, lr)
