"""Trainings in one process or two, as ``training/test_ddp.py`` compares them.

Run as a script, once for each of the two, it leaves what the process saw as JSON.
"""

import json
import sys
import warnings
from datetime import timedelta
from pathlib import Path

import lightning
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import nn

from pyg_jets.datasets import ToyJets
from pyg_jets.nn import PFN, ParticleNet
from pyg_jets.training import JetDataModule, Tagger
from pyg_jets.transforms import Features, Resimulate

#: Odd numbers of jets in all three splits.
N_JETS = 129
EPOCHS = 2
#: What the two processes leave of a run.
FACTS = ("rows", "curve", "test", "scores", "weights")


class Multiplicity(nn.Module):
    """Few scores for many jets: how many particles there are, in steps of four."""

    def forward(self, x, ptr, pos=None):
        return -(ptr.diff() // 4).to(x.dtype).unsqueeze(-1)


def network(name):
    """A small network, always with the same weights."""
    torch.manual_seed(0)
    if name == "particle_net":
        return ParticleNet(3, channels=((8, 8), (8,)), k=4, fc=(8,), dropout=0.0)
    if name == "few":
        return PFN(3, phi=(8, 8), f=(8,), out_channels=2, norm=True)
    return Multiplicity() if name == "ties" else PFN(3, phi=(16, 16), f=(16,))


def weights(module):
    """All parameters in one list."""
    return [w for p in module.parameters() for w in p.detach().flatten().tolist()]


def jets(folder, cls=JetDataModule, few=False, **options):
    """Toys; with ``few`` one of two processes gets neither validation nor test jets."""
    toys = ToyJets(folder, n_jets=N_JETS)
    features = Features(["eta", "phi", "pt"], fixed=False, axis="origin")
    sizes = {"batch_size": 4, "eval_batch_size": 5, "spread_angles": 3, "spread_jets": 7}
    out = cls(toys, features, Resimulate("toy-uniform", angles=2), **{**sizes, **options})
    if few:
        for split in ("val", "test"):
            out.splits[split] = out.splits[split][:1]
        out.spread_jets = out.splits["test"]
    return out


class Seen(lightning.Callback):
    """Notes the jets of each batch, and what is logged."""

    def __init__(self):
        self.rows, self.curve = [], []

    def _note(self, stage, epoch, batch, loader=0):
        ids = batch.jet_id.flatten()[batch.angle.flatten() == 0].tolist()
        self.rows.append({"stage": stage, "epoch": epoch, "loader": loader, "ids": ids})

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self._note("train", trainer.current_epoch, batch)

    def on_validation_batch_start(self, trainer, module, batch, batch_idx, dataloader_idx=0):
        if not trainer.sanity_checking:
            self._note("val", trainer.current_epoch, batch)

    def on_test_batch_start(self, trainer, module, batch, batch_idx, dataloader_idx=0):
        self._note("test", 0, batch, dataloader_idx)

    def on_train_epoch_end(self, trainer, module):
        self.curve.append({k: float(v) for k, v in trainer.callback_metrics.items()})


class Frozen(lightning.Callback):
    """Keeps batch norms as they are while the rest trains: each process sees half of a batch."""

    def on_train_epoch_start(self, trainer, module):
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm1d):
                norm.eval()


def run(name, data, devices, fit=True, checkpoint=None, save=None):
    """Fit and test, and give what was seen."""
    seen = Seen()
    tagger = Tagger(network(name), optimizer=lambda p: torch.optim.SGD(p, lr=0.1))
    if name == "particle_net":  # in float32 the last digit decides between neighbours as near
        tagger.double()
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        plugins=[LightningEnvironment()],
        max_epochs=EPOCHS,
        callbacks=[seen, Frozen()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    if fit:
        trainer.fit(tagger, datamodule=data)
    if save is not None:
        trainer.save_checkpoint(save)
    test = trainer.test(
        tagger, datamodule=data, ckpt_path=checkpoint, weights_only=True, verbose=False
    )
    found = {k: v for one in test for k, v in one.items()}
    scores = tagger.predictions["logits"].flatten().tolist()
    facts = (seen.rows, seen.curve, found, scores, weights(tagger))
    return dict(zip(FACTS, facts, strict=True))


def main(folder, rank):
    """All runs, one after the other, in the same two processes."""
    warnings.filterwarnings("ignore")
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",  # no port that another program could take
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=600),
    )
    root, out = folder / "data", {}
    for name in ("pfn", "particle_net"):
        out[name] = run(name, jets(root), 2)
    out["few"] = run("few", jets(root, few=True), 2)
    out["ties"] = run("ties", jets(root), 2, fit=False)
    checkpoint = folder / "alone.ckpt"
    out["checkpoint"] = run("particle_net", jets(root), 2, fit=False, checkpoint=checkpoint)
    (folder / f"rank-{rank}.json").write_text(json.dumps(out))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
