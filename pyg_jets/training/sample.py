"""`TrainingSample`: which of the training jets a run learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyg_jets.errors import InputError

__all__ = ["TrainingSample"]


@dataclass(frozen=True)
class TrainingSample:
    """A part of the training jets: another one for each replica, drawn again, or cut into folds.

    Replicas are disjoint: they are blocks of one fixed shuffle of the training jets.

    Args:
        jets: Number of jets. Default: all.
        replica: Which of the disjoint samples, from 0.
        resample: If given, draw as many jets from the sample, with replacement; another number is
            another draw.
        folds: If given, cut the sample into so many folds, of which one is the validation set.
        fold: The fold for validation, from 0.

    Raises:
        ValueError: For numbers that are negative, or a fold that is none.

    Examples:
        >>> first, second = (TrainingSample(jets=3, replica=r).choose(10)[0] for r in range(2))
        >>> len(first), set(first.tolist()) & set(second.tolist())
        (3, set())
    """

    jets: int | None = None
    replica: int = 0
    resample: int | None = None
    folds: int | None = None
    fold: int = 0

    def __post_init__(self) -> None:
        least = {"jets": 1, "replica": 0, "resample": 0, "folds": 2, "fold": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise InputError(f"Expected {name} of at least {low}, but got {value}.")
        if self.folds is not None and self.fold >= self.folds:
            raise InputError(f"Expected fold from 0 to {self.folds - 1}, but got {self.fold}.")
        if self.fold and self.folds is None:
            raise InputError(f"Fold {self.fold} of how many? Give folds, their number.")
        if self.replica and self.jets is None:
            raise InputError(
                f"Replica {self.replica} of all jets is empty: give jets, their number."
            )

    def choose(self, available: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Indices of the jets to train on, and to validate on if there are folds.

        Args:
            available: Number of training jets there are.

        Raises:
            ValueError: If there are too few.
        """
        if self == TrainingSample():
            return np.arange(available), None
        jets = available if self.jets is None else self.jets
        start, stop = self.replica * jets, (self.replica + 1) * jets
        if stop > available:
            raise InputError(
                f"Replica {self.replica} of {jets} jets needs {stop} training jets, but there are "
                f"{available}: make the data set larger, or take fewer or smaller replicas."
            )
        chosen = np.random.default_rng(0).permutation(available)[start:stop]
        val = None
        if self.folds is not None and len(chosen) < self.folds:
            raise InputError(
                f"Expected at least one jet for each of {self.folds} folds, but there are "
                f"{len(chosen)}: take more jets, or fewer folds."
            )
        if self.folds is not None:
            parts = np.array_split(chosen, self.folds)
            val = parts.pop(self.fold)
            chosen = np.concatenate(parts)
        if self.resample is not None:
            chosen = np.random.default_rng([1, self.resample]).choice(chosen, len(chosen))
        return chosen, val
