"""The few jets that a run keeps before and after the detector, for pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch_geometric.data import Batch

from pyg_jets.datasets import JetDataset
from pyg_jets.detector import rotate
from pyg_jets.jets import JetArray
from pyg_jets.training.data import JetDataModule
from pyg_jets.transforms import Resimulate

__all__ = ["samples"]

_ANGLES = np.arange(8) * (np.pi / 4)


def samples(data: JetDataModule, count: int = 200, rotated: int = 4) -> JetArray:
    """Test jets before (``stage`` 0) and after (``stage`` 1) the detector.

    Args:
        data: Gives the test jets and, if it re-simulates, the detector.
        count: Number of jets, equally many of each class, in turn.
        rotated: Number of these that come with eight rotated variants too.
    """
    jets = _first_jets(data.splits["test"], count)
    stages = [_staged(jets.with_jets(angle=np.zeros(len(jets), np.float32)), 0)]
    if isinstance(data.eval_transform, Resimulate):
        detector, seed = data.eval_transform.detector, data.eval_transform.seed
        first = jets[:rotated]
        stages += [
            _staged(detector.simulate(jets, seed=seed), 1),
            _staged(rotate(first, _ANGLES, axis=detector.axis), 0),
            _staged(detector.simulate(first, seed=seed, angles=_ANGLES), 1),
        ]
    return JetArray.concatenate(stages)


def _staged(jets: JetArray, stage: int) -> JetArray:
    columns = {"stage": np.full(len(jets), stage, np.int64), "angle": jets.jets["angle"]}
    return replace(jets, jets=columns)


def _first_jets(dataset: JetDataset, count: int) -> JetArray:
    labels = dataset._data.y[list(dataset.indices())].numpy()
    classes = np.unique(labels)
    rank = np.empty(len(labels), np.int64)
    for label in classes:
        rank[labels == label] = np.arange((labels == label).sum())
    order = np.lexsort((labels, rank))[: min(count, len(labels))]
    batch = Batch.from_data_list([dataset[int(i)] for i in order])
    return replace(JetArray.from_pyg(batch, dataset.columns), jets={})
