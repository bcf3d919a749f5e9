"""The jets that a generator made, as its run folder keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pyg_jets.columns import STAGES
from pyg_jets.errors import InputError
from pyg_jets.io import write_parquet
from pyg_jets.jets import JetArray
from pyg_jets.training.generator import Generator

__all__ = ["write_generated"]


def write_generated(task: Generator, path: Path, stages: tuple[str, ...] = STAGES) -> None:
    """Write the jets kept by a test or a prediction.

    A jet has ``stage``, its place among :data:`~pyg_jets.columns.STAGES`, its ``jet_id`` and label,
    and the means ``z0 …`` of the latent that it was read into.

    Args:
        task: After a test or a prediction.
        path: The file.
        stages: Which to write, of those that there are.
    """
    if not task.kept:
        raise InputError("No jets were made: run a test or a prediction with jets in it.")
    ids = torch.cat([made["jet_id"] for made in task.kept]).cpu().numpy()
    labels = None
    if task.kept[0]["y"] is not None:
        labels = torch.cat([made["y"].flatten() for made in task.kept]).cpu().numpy()
    latent = torch.cat([made["latent"] for made in task.kept]).float().cpu().numpy()
    parts = []
    for stage in (s for s in stages if s in task.kept[0]):
        x, ptr = task.joined(stage)
        columns = {f"z{i}": latent[:, i] for i in range(latent.shape[1])}
        columns["stage"] = np.full(len(ids), STAGES.index(stage), np.int64)
        parts.append(JetArray(x.numpy(), task.columns, ptr.numpy(), labels, columns, ids))
    write_parquet(JetArray.concatenate(parts), path)
