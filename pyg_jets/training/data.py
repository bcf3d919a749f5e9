"""`JetDataModule`: a data set, what the detector does to it, and what the network reads."""

from __future__ import annotations

import lightning
import torch
from torch_geometric.data import InMemoryDataset
from torch_geometric.transforms import BaseTransform

from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.datasets import JetDataset
from pyg_jets.datasets.splits import SPLITS
from pyg_jets.errors import InputError
from pyg_jets.loader import JetLoader, Share
from pyg_jets.training.remember import Remember
from pyg_jets.training.sample import TrainingSample
from pyg_jets.transforms import (
    TAGGER_FEATURES,
    Compose,
    Detect,
    Features,
    FlatWeights,
    Resimulate,
)
from pyg_jets.transforms.derive import derivable

__all__ = ["JetDataModule"]

#: Bytes of variants that are made once, at most.
_REMEMBERED = 1 << 30


class JetDataModule(lightning.LightningDataModule):
    """Loaders over the three splits of a data set.

    Training jets go through ``train_transform``, all others through ``eval_transform``, then
    every jet through ``features``. Validation and test see un-rotated jets; a second test loader
    holds variants of test jets, rotated before the detector whatever the training does, which tell
    how far the output spreads over them.

    Args:
        dataset: The data set, made with ``split=None``.
        features: What the network reads, or names of it, made of the columns of the data set on its
            axis. Default: the tagger features, or the columns themselves where these do not follow.
        train_transform: A batch transform of the training jets, such as ``Resimulate``.
        eval_transform: The same for all others. Default: the un-rotated variant of
            ``train_transform`` if that is a ``Resimulate``, itself if it is a ``Detect``, which
            makes the features too.
        batch_size: Jets a batch, counted before their variants are made.
        eval_batch_size: Jets a batch where nothing is trained.
        num_workers: Processes of each loader.
        spread_angles: Rotated variants of each test jet for ``test/spread``; 0 for none.
        spread_jets: Number of test jets for ``test/spread``, at most.
        sample: Which of the training jets to learn from. Default: all.
        weights: Weights of the jets, learned from the training jets; they count in the losses and
            the metrics.
        remember: Whether to make variants that are the same in every epoch only once. Default: if
            they take less than a gigabyte.

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
        features: Features | list[str] | None = None,
        train_transform: BaseTransform | None = None,
        eval_transform: BaseTransform | None = None,
        batch_size: int = 256,
        eval_batch_size: int = 1024,
        num_workers: int = 0,
        spread_angles: int = 8,
        spread_jets: int = 2000,
        sample: TrainingSample | None = None,
        remember: bool | None = None,
        weights: FlatWeights | None = None,
    ):
        super().__init__()
        for name, size in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size)):
            if size < 1:
                raise InputError(f"Expected {name} of at least 1, but got {size}.")
        self.dataset, self.num_workers = dataset, num_workers
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.features = _features(features, dataset)
        _check_columns(dataset, train_transform, eval_transform)
        self.train_transform = train_transform
        self.eval_transform = eval_transform or _at(train_transform, 1)
        if isinstance(train_transform, Detect) and eval_transform is None:
            self.eval_transform = train_transform
        self.spread_transform = None
        if spread_angles > 1:
            self.spread_transform = _at(self.eval_transform, spread_angles, "before")
        self.splits = {split: dataset.get_split(split) for split in SPLITS}
        for split, jets in self.splits.items():
            if len(jets) == 0:
                raise InputError(
                    f"The {split} split of {dataset} is empty: use more jets, other fractions, or "
                    "splits='hash'."
                )
        self.sample, self.remember = sample or TrainingSample(), remember
        chosen, val = self.sample.choose(len(self.splits["train"]))
        if val is not None:
            self.splits["val"] = self.splits["train"].index_select(val)
        if self.sample != TrainingSample():
            self.splits["train"] = self.splits["train"].index_select(chosen)
        self.spread_jets = self.splits["test"][:spread_jets]
        self.weights = weights
        if weights is not None:
            check_names(weights.columns, dataset.jet_columns, f"jet column of {dataset}")
            weights.learn(self.splits["train"].jet, self.splits["train"].y, dataset.jet_columns)
        self._remembered: dict[str, Remember] = {}

    @property
    def n_features(self) -> int:
        """Number of features of a particle."""
        return len(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """What the network reads of a particle."""
        if isinstance(self.train_transform, Detect):
            return tuple(self.train_transform.names)
        return tuple(self.features.names)

    def loader(
        self,
        jets: InMemoryDataset,
        transform: BaseTransform | None,
        shuffle: bool = False,
        remember: str | None = None,
        share: bool = False,
    ) -> JetLoader:
        """A loader over ``jets`` that ends in the features; training shuffles.

        With ``share`` each of several processes sees its own jets, none of them twice.
        """
        features = None if isinstance(transform, Detect) else self.features
        whole = Compose([s for s in (transform, self.weights, features) if s is not None])
        if remember is not None and self._worth_remembering(jets, transform):
            if remember not in self._remembered:
                made = JetLoader(jets, self.eval_batch_size, batch_transform=whole)
                self._remembered[remember] = Remember(made)
            whole = self._remembered[remember]
        return JetLoader(
            jets,
            batch_size=self.batch_size if shuffle else self.eval_batch_size,
            shuffle=shuffle,
            batch_transform=whole,
            sampler=Share(jets) if share and _processes() > 1 else None,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
        )

    def _worth_remembering(self, jets: InMemoryDataset, transform: BaseTransform | None) -> bool:
        if not isinstance(transform, Resimulate) or transform.needs_epoch:
            return False
        if self.remember is not None:
            return self.remember
        with torch.random.fork_rng(devices=[]):  # a loader draws a number, which is not to count
            few = next(iter(JetLoader(jets, min(len(jets), 64), batch_transform=transform)))
        particles = len(few.x) * transform.variants / (len(few.ptr) - 1)  # a jet, all variants
        return 4 * (self.n_features + 2) * particles * len(jets) < _REMEMBERED

    def train_dataloader(self) -> JetLoader:
        """Shuffled training jets, with their variants."""
        return self.loader(self.splits["train"], self.train_transform, True, "train")

    def statistics_dataloader(self) -> JetLoader:
        """The un-rotated training jets, from which statistics are learned."""
        return self.loader(self.splits["train"], self.eval_transform, remember="statistics")

    def val_dataloader(self) -> JetLoader:
        """Un-rotated validation jets."""
        return self.loader(self.splits["val"], self.eval_transform, remember="val", share=True)

    def test_dataloader(self) -> list[JetLoader]:
        """Un-rotated test jets and, if there is a detector, rotated variants of some of them."""
        loaders = [self.loader(self.splits["test"], self.eval_transform, share=True)]
        if self.spread_transform is not None:
            loaders.append(self.loader(self.spread_jets, self.spread_transform, share=True))
        return loaders

    def predict_dataloader(self) -> JetLoader:
        """Un-rotated test jets."""
        return self.loader(self.splits["test"], self.eval_transform, share=True)

    def transfer_batch_to_device(self, batch, device: torch.device, dataloader_idx: int):
        """Move a PyG batch, pointer and all, unless it is there."""
        return batch if batch.x.device == device else batch.to(device)


def _processes() -> int:
    group = torch.distributed
    return group.get_world_size() if group.is_available() and group.is_initialized() else 1


def _features(asked: Features | list[str] | None, dataset: JetDataset) -> Features:
    if isinstance(asked, Features):
        return asked
    known = all(derivable(name, dataset.columns, dataset.axis) for name in TAGGER_FEATURES)
    names = asked or (TAGGER_FEATURES if known else dataset.columns)
    return Features(names, axis=dataset.axis, columns=dataset.columns)


def _check_columns(dataset: JetDataset, *transforms: BaseTransform | None) -> None:
    if dataset.columns != CANONICAL and any(isinstance(t, Resimulate | Detect) for t in transforms):
        raise InputError(
            f"The detector needs the columns {', '.join(CANONICAL)} of x, but {dataset} has "
            f"{', '.join(dataset.columns)}: make it with features={list(CANONICAL)} if it can "
            "give them, or leave the detector out."
        )


def _at(
    transform: BaseTransform | None, angles: int, rotate: str | None = None
) -> Resimulate | None:
    """The transform at equal steps of a turn, if it is one of a detector."""
    return transform.with_angles(angles, rotate) if isinstance(transform, Resimulate) else None
