"""`JetDataModule`: a data set, what the detector does to it, and what the network reads."""

from __future__ import annotations

import lightning
import torch
from torch_geometric.data import InMemoryDataset
from torch_geometric.transforms import BaseTransform

from pyg_jets.datasets import JetDataset
from pyg_jets.datasets.base import SPLITS
from pyg_jets.loader import JetLoader
from pyg_jets.transforms import Compose, Features, Resimulate

__all__ = ["JetDataModule"]


class JetDataModule(lightning.LightningDataModule):
    """Loaders over the three splits of a data set.

    Training jets go through ``train_transform``, all others through ``eval_transform``, then
    every jet through ``features``. Validation and test see un-rotated jets; a second test loader
    holds rotated variants of the test jets, which tell how far the output spreads over them.

    Args:
        dataset: The data set, made with ``split=None``.
        features: What the network reads. Default: the tagger features, on the data set's axis.
        train_transform: A batch transform of the training jets, such as ``Resimulate``.
        eval_transform: The same for all others. Default: the un-rotated variant of
            ``train_transform`` if that is a ``Resimulate``.
        batch_size: Jets a batch, counted before their variants are made.
        num_workers: Processes of each loader.
        spread_angles: Rotated variants of each test jet for ``test/spread``; 0 for none.

    Examples:
        >>> import tempfile
        >>> from pyg_jets.datasets import ToyJets
        >>> toys = ToyJets(tempfile.mkdtemp(), n_jets=100)
        >>> data = JetDataModule(toys, Features(["eta", "phi", "pt"], axis="origin"))
        >>> next(iter(data.train_dataloader())).x.shape[1]
        3
    """

    def __init__(
        self,
        dataset: JetDataset,
        features: Features | None = None,
        train_transform: BaseTransform | None = None,
        eval_transform: BaseTransform | None = None,
        batch_size: int = 256,
        num_workers: int = 0,
        spread_angles: int = 8,
    ):
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"Expected batch_size of at least 1, but got {batch_size}.")
        self.dataset, self.batch_size, self.num_workers = dataset, batch_size, num_workers
        self.features = features or Features(axis=dataset.axis)
        self.train_transform = train_transform
        self.eval_transform = eval_transform or _unrotated(train_transform, 1)
        self.spread_transform = None
        if spread_angles > 1:
            self.spread_transform = _unrotated(self.eval_transform, spread_angles)
        self.splits = {split: dataset.get_split(split) for split in SPLITS}
        for split, jets in self.splits.items():
            if len(jets) == 0:
                raise ValueError(
                    f"The {split} split of {dataset} is empty: use more jets, or other fractions."
                )

    @property
    def n_features(self) -> int:
        """Number of features of a particle."""
        return len(self.features.names)

    def loader(
        self, jets: InMemoryDataset, transform: BaseTransform | None, shuffle: bool = False
    ) -> JetLoader:
        """A loader over ``jets`` that ends in the features."""
        steps = [self.features] if transform is None else [transform, self.features]
        return JetLoader(
            jets,
            batch_size=self.batch_size,
            shuffle=shuffle,
            batch_transform=Compose(steps),
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
        )

    def train_dataloader(self) -> JetLoader:
        """Shuffled training jets, with their variants."""
        return self.loader(self.splits["train"], self.train_transform, shuffle=True)

    def statistics_dataloader(self) -> JetLoader:
        """The un-rotated training jets, from which statistics are learned."""
        return self.loader(self.splits["train"], self.eval_transform)

    def val_dataloader(self) -> JetLoader:
        """Un-rotated validation jets."""
        return self.loader(self.splits["val"], self.eval_transform)

    def test_dataloader(self) -> list[JetLoader]:
        """Un-rotated test jets and, if there is a detector, their rotated variants."""
        loaders = [self.loader(self.splits["test"], self.eval_transform)]
        if self.spread_transform is not None:
            loaders.append(self.loader(self.splits["test"], self.spread_transform))
        return loaders

    def predict_dataloader(self) -> JetLoader:
        """Un-rotated test jets."""
        return self.loader(self.splits["test"], self.eval_transform)

    def transfer_batch_to_device(self, batch, device: torch.device, dataloader_idx: int):
        """Move a PyG batch, pointer and all."""
        return batch.to(device)


def _unrotated(transform: BaseTransform | None, angles: int) -> Resimulate | None:
    if not isinstance(transform, Resimulate):
        return None
    return Resimulate(transform.detector, angles=angles, seed=transform.seed)
