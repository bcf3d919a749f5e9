"""Run under two processes by ``test_loader_workers``: which jets each rank sees, as JSON lines."""

import json
import sys
import warnings
from pathlib import Path

import lightning
import torch
from torch_geometric.data import Data

from pyg_jets.loader import JetLoader
from tests.batches import in_memory


class Stamp:
    """Notes the epoch in the batch."""

    needs_epoch = True

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __call__(self, batch):
        batch.epoch = self.epoch
        return batch


class Seen(lightning.LightningModule):
    """Writes down the jets of each stage."""

    def __init__(self, folder, devices):
        super().__init__()
        self.folder, self.devices = folder, devices
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def note(self, stage, batch):
        row = {
            "stage": stage,
            "rank": self.global_rank,
            "epoch": self.current_epoch,
            "told": batch.epoch,
            "ids": batch.jet_id.tolist(),
            "rows": int(batch.ptr[-1]),
        }
        path = Path(self.folder) / f"seen-{self.devices}-{self.global_rank}.jsonl"
        with path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        return (self.weight * batch.x.sum()).sum()

    def training_step(self, batch, _):
        return self.note("fit", batch)

    def validation_step(self, batch, _):
        self.note("validate", batch)

    def test_step(self, batch):
        self.note("test", batch)

    def predict_step(self, batch, _):
        self.note("predict", batch)
        return batch.jet_id

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-3)


def main(folder, devices):
    """Fit, test and predict."""
    warnings.filterwarnings("ignore")
    graphs = [Data(x=torch.ones(i % 5, 2), jet_id=torch.tensor([i])) for i in range(20)]
    dataset = in_memory(graphs)
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = Seen(folder, devices)
    options = {"batch_size": 4, "batch_transform": Stamp(), "follow_batch": ["x"]}
    trainer.fit(model, JetLoader(dataset, shuffle=True, **options), JetLoader(dataset, **options))
    trainer.test(model, JetLoader(dataset, **options), verbose=False)
    out = trainer.predict(
        model, JetLoader(dataset[:19], **options), return_predictions=devices == 1
    )
    if devices == 1:
        assert torch.cat(out).tolist() == list(range(19))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
