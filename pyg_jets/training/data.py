"""`JetDataModule`: a data set, what the detector does to it, and what the network reads."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.errors import InputError
from pyg_jets.loader import JetLoader, Share
from pyg_jets.loader.sampling import draw_seed
from pyg_jets.metrics.inputs import jet_weights
from pyg_jets.training.graphs import split_graphs
from pyg_jets.training.sample import TrainingSample
from pyg_jets.training.variant_cache import VariantCache
from pyg_jets.transforms import (
    TAGGER_FEATURES,
    BatchTransform,
    Compose,
    Features,
    FlatWeights,
    JetFeatures,
)
from pyg_jets.transforms.base import as_batch_transform
from pyg_jets.transforms.derive import derivable, requirements

__all__ = [
    "JetDataModule",
    "choose_features",
    "choose_jet_features",
    "own_weights",
    "pipeline",
    "unread_columns",
]

#: Size of the largest variant cache, in bytes.
_CACHE_BYTES = 1 << 30


class JetDataModule(lightning.LightningDataModule):
    """Loaders over the three splits of a data set.

    Training jets go through ``train_transform``, all others through ``eval_transform``, then
    every jet through ``features``. Validation and test see un-rotated jets; a second test loader
    holds variants of test jets, rotated before the detector whatever the training does, which tell
    how far the output spreads over them.

    Args:
        dataset: The data set, made with ``split=None``; or any data set of PyG with ``x`` and ``y``
            or a ``Subset`` of one, which is split by a hash of the position of each graph; or three
            of these as ``(train, val, test)``.
        features: What the network reads, or names of it, made of the columns of the data set on its
            axis. Default: the ``features=`` that the data set was asked for, if no transform reads
            its columns; else the tagger features, or the columns themselves where these do not
            follow.
        train_transform: A batch transform of the training jets, such as ``Resimulate``.
        eval_transform: The same for all other jets. Default: ``for_evaluation()`` of
            ``train_transform``, which is the un-rotated jet of a ``Resimulate``.
        batch_size: Jets in a training batch, counted before their variants are made.
        eval_batch_size: Jets in a batch of a validation, a test or a prediction.
        num_workers: Processes of each loader.
        spread_angles: Rotated variants of each test jet for ``test/spread``; 0 for none.
        spread_jets: Number of test jets for ``test/spread``, at most.
        sample: Which of the training jets to train on. Default: all.
        cache_variants: Whether to make variants that are the same in every epoch only once.
            Default: if they take less than a gigabyte.
        weights: Weights of the jets, which are set from the training jets and enter the losses and
            the metrics, multiplied with the weights that the data set has (``weight [1]`` of each
            graph, such as those of a generator).
        jet_features: Observables of the un-rotated jet that the network reads beside its particles,
            such as ``[reco_softdrop_mass, reco_tau32]``; see
            :class:`~pyg_jets.transforms.JetFeatures`. The network must read as many
            (``jet_channels``). Default: none.

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
        dataset: Dataset,
        features: Features | list[str] | None = None,
        train_transform: BaseTransform | None = None,
        eval_transform: BaseTransform | None = None,
        batch_size: int = 256,
        eval_batch_size: int = 1024,
        num_workers: int = 0,
        spread_angles: int = 8,
        spread_jets: int = 2000,
        sample: TrainingSample | None = None,
        cache_variants: bool | None = None,
        weights: FlatWeights | None = None,
        jet_features: list[str] | None = None,
    ):
        super().__init__()
        for name, size in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size)):
            if size < 1:
                raise InputError(f"Expected {name} of at least 1, but got {size}.")
        self.num_workers = num_workers
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.dataset, self.splits = split_graphs(dataset)
        self.train_transform, self.eval_transform, self.features = pipeline(
            self.dataset, features, train_transform, eval_transform
        )
        self.jet_features = choose_jet_features(jet_features, self.dataset)
        self.spread_transform = None
        if self.eval_transform is not None and spread_angles > 1:
            self.spread_transform = self.eval_transform.with_angles(spread_angles, "before")
        for split, jets in self.splits.items():
            if len(jets) == 0:
                raise InputError(
                    f"The {split} split of {self.dataset} is empty: use more jets, other "
                    "fractions, or splits='hash'."
                )
            if (weight := own_weights(jets)) is not None:
                jet_weights(weight, len(jets), f"weights of the {split} jets")
        self.sample, self.cache_variants = sample or TrainingSample(), cache_variants
        chosen, val = self.sample.choose(len(self.splits["train"]))
        if val is not None:
            self.splits["val"] = self.splits["train"].index_select(val)
        if self.sample != TrainingSample():
            self.splits["train"] = self.splits["train"].index_select(chosen)
        self.spread_jets = self.splits["test"][:spread_jets]
        self.weights = weights
        if weights is not None:
            check_names(weights.columns, self.jet_columns, f"jet column of {self.dataset}")
            train = self.splits["train"]
            jets = Data(jet=train.jet, y=train.y, weight=own_weights(train))
            weights.fit_statistics([jets], self.jet_columns)
        self._caches: dict[str, VariantCache] = {}
        self._order_seed: int | None = None

    @property
    def is_weighted(self) -> bool:
        """Whether jets have weights, those of the data set or those of ``weights``."""
        return self.weights is not None or own_weights(self.splits["train"]) is not None

    def jet_weights(self, jets: Any) -> Tensor | None:
        """The weight of each jet of a split: that of the data set times that of ``weights``.

        Args:
            jets: The split, one of ``splits``.

        Returns:
            ``[J]``, or ``None`` if all jets count the same.
        """
        own = own_weights(jets)
        if self.weights is None:
            return own
        flat = self.weights.of(jets.jet, jets.y)
        return flat if own is None else flat * own

    @property
    def jet_columns(self) -> tuple[str, ...]:
        """Names of the columns of ``jet [1, K]``."""
        return getattr(self.dataset, "jet_columns", ())

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, where the data set has such names."""
        return tuple(getattr(self.dataset, "classes", ()))

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 where jets have no labels."""
        return self.dataset.num_classes

    @property
    def n_features(self) -> int:
        """Number of features of a particle."""
        return len(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features of a particle."""
        maker: Any = self.train_transform
        if maker is None or not maker.makes_features:
            maker = self.features
        return tuple(maker.names)

    @property
    def n_jet_features(self) -> int:
        """Number of observables of a jet that the network reads."""
        return 0 if self.jet_features is None else len(self.jet_features.names)

    @property
    def order_seed(self) -> int:
        """The seed of the order of the training jets in each epoch; a checkpoint keeps it."""
        if self._order_seed is None:
            self._order_seed = draw_seed()
        return self._order_seed

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that a continued training sees the jets in the same order."""
        return {"order_seed": self.order_seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what a checkpoint kept."""
        self._order_seed = state_dict["order_seed"]

    def loader(
        self,
        jets: Any,
        transform: BatchTransform | None,
        shuffle: bool = False,
        cache: str | None = None,
        share: bool = False,
    ) -> JetLoader:
        """A loader over jets whose last transform makes the features.

        Args:
            jets: The jets.
            transform: The transform before weights and features, or none.
            shuffle: Whether to draw a new order in each epoch.
            cache: Name of the variant cache to use, if variants of these jets can be cached.
            share: Whether each of several processes has its own jets, none of them twice.
        """
        makes_features = transform is not None and transform.makes_features
        features = None if makes_features else self.features
        steps = (transform, self.weights, self.jet_features, features)
        whole: BaseTransform = Compose([step for step in steps if step is not None])
        if cache is not None and self._is_cached(jets, transform):
            if cache not in self._caches:
                made = JetLoader(jets, self.eval_batch_size, batch_transform=whole)
                self._caches[cache] = VariantCache(made)
            whole = self._caches[cache]
        return JetLoader(
            jets,
            batch_size=self.batch_size if shuffle else self.eval_batch_size,
            shuffle=shuffle,
            batch_transform=whole,
            sampler=Share(jets) if share and _processes() > 1 else None,
            generator=torch.Generator().manual_seed(self.order_seed),
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
        )

    def _is_cached(self, jets: Any, transform: BatchTransform | None) -> bool:
        """Whether variants are the same in every epoch, and those of all jets fit the cache."""
        if transform is None or transform.detector is None:
            return False
        if transform.needs_epoch or transform.pairs:
            return False
        if self.cache_variants is not None:
            return self.cache_variants
        few = next(iter(JetLoader(jets, min(len(jets), 64), batch_transform=transform)))
        particles = len(few.x) * transform.variants / (len(few.ptr) - 1)  # a jet, all variants
        return 4 * (self.n_features + 2) * particles * len(jets) < _CACHE_BYTES

    def train_dataloader(self) -> JetLoader:
        """Shuffled training jets, with their variants."""
        return self.loader(self.splits["train"], self.train_transform, shuffle=True, cache="train")

    def statistics_dataloader(self) -> JetLoader:
        """The un-rotated training jets, for the statistics that a task needs."""
        return self.loader(self.splits["train"], self.eval_transform, cache="statistics")

    def val_dataloader(self) -> JetLoader:
        """Un-rotated validation jets."""
        return self.loader(self.splits["val"], self.eval_transform, cache="val", share=True)

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


def own_weights(jets: Any) -> Tensor | None:
    """The weights that jets of a data set bring along, ``[J]``."""
    data = getattr(jets, "_data", None)  # of a data set on disk there is none
    return jets.weight if data is not None and "weight" in data else None


def _processes() -> int:
    group = torch.distributed
    return group.get_world_size() if group.is_available() and group.is_initialized() else 1


def pipeline(
    dataset: Any,
    features: Features | Sequence[str] | None = None,
    train_transform: BaseTransform | None = None,
    eval_transform: BaseTransform | None = None,
) -> tuple[BatchTransform | None, BatchTransform | None, Features]:
    """What jets go through before the network: in training, else, and then the features.

    Args:
        dataset: The data set.
        features: See :class:`JetDataModule`.
        train_transform: See there.
        eval_transform: See there.

    Raises:
        InputError: If a transform or the features need other columns than the data set has.
    """
    train = evaluate = None
    if train_transform is not None:
        train = as_batch_transform(train_transform)
        evaluate = train.for_evaluation()
    if eval_transform is not None:
        evaluate = as_batch_transform(eval_transform)
    # data sets of others name no columns
    columns = getattr(dataset, "columns", None)
    columns = columns or tuple(f"x{i}" for i in range(dataset.num_features))
    transforms = [step for step in (train, evaluate) if step is not None]
    for transform in transforms:
        _check_columns(dataset, columns, transform)
    axis, requested = getattr(dataset, "axis", "jet"), getattr(dataset, "requested_features", ())
    if features is None and requested and not any(step.input_columns for step in transforms):
        features = Features(requested, fixed=False, axis=axis, columns=columns)
    return train, evaluate, choose_features(features, columns, axis)


def choose_jet_features(names: Sequence[str] | None, dataset: Any) -> JetFeatures | None:
    """The transform that gives a network the observables of jets that were asked for.

    Args:
        names: The observables; none for ``None``.
        dataset: The data set, whose jet columns they are.

    Raises:
        InputError: For an observable that the data set does not have.
    """
    if not names:
        return None
    columns, whole = getattr(dataset, "jet_columns", ()), getattr(dataset, "whole_columns", ())
    if not columns and not whole:
        raise InputError(
            f"{dataset} has no observables of jets, but jet_features={list(names)} are asked for: "
            "leave jet_features out, or take a data set with jet columns."
        )
    return JetFeatures(names, columns, whole)


def choose_features(
    asked: Features | Sequence[str] | None, columns: Sequence[str], axis: str
) -> Features:
    """The transform that makes what a network reads.

    Args:
        asked: The features that were asked for, if any. Default: the tagger features, or the
            columns themselves where these do not follow from the columns.
        columns: The columns of ``x``.
        axis: ``"jet"``, or ``"origin"`` for jets on a plane.

    Warns:
        UserWarning: If the default leaves out a column that no other gives, such as ``d0``.

    Examples:
        >>> choose_features(["pt", "d0"], ("pt", "eta", "phi", "d0"), "jet")
        Features(pt, d0)
        >>> choose_features(None, ("pt", "eta", "phi"), "jet")
        Features(logptrel, deltar, etarel, phirel)
    """
    if isinstance(asked, Features):
        return asked
    if asked:
        return Features(asked, axis=axis, columns=columns)
    known = all(derivable(name, columns, axis) for name in TAGGER_FEATURES)
    names = TAGGER_FEATURES if known else columns
    chosen = Features(names, axis=axis, columns=columns)
    if unread := unread_columns(chosen):
        warnings.warn(
            f"The network reads {', '.join(names)}, not {', '.join(unread)}: name what it shall "
            "read with features= of the data set or of the data module.",
            UserWarning,
            stacklevel=4,
        )
    return chosen


def unread_columns(features: Features) -> tuple[str, ...]:
    """The columns that features are not made of, without those that others give.

    Args:
        features: The features.

    Examples:
        >>> unread_columns(Features(["ptrel"], columns=("pt", "eta", "phi", "d0")))
        ('d0',)
    """
    read = requirements(features.names, features.columns, features.axis)
    others = (name for name in features.columns if name not in read)
    return tuple(name for name in others if not derivable(name, CANONICAL, features.axis))


def _check_columns(dataset: Any, columns: Sequence[str], transform: BatchTransform) -> None:
    needed = transform.input_columns
    if needed is not None and needed != columns:
        what = "transform" if transform.detector is None else "detector"
        raise InputError(
            f"The {what} needs the columns {', '.join(needed)} of x, but {dataset} has "
            f"{', '.join(columns)}: make it with features={list(needed)} if it can give them, or "
            f"leave the {what} out."
        )
