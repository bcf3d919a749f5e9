"""`JetFeatures`: the observables of each jet that a network reads beside its particles."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.transforms.base import BatchTransform

__all__ = ["JetFeatures"]

#: A ratio of N-subjettiness behind a level: ``reco_tau32`` is ``reco_tau3`` over ``reco_tau2``.
_RATIO = re.compile(r"^((?:\w+_)?tau)(\d)(\d)$")


class JetFeatures(BatchTransform):
    """Put observables of each jet, which its data set has as columns, into ``jet_features``.

    They are those of the un-rotated jet, also for its variants.

    Args:
        names: The observables, in order: jet columns of the data set, with its level, such as
            ``reco_mass``; whole numbers, such as ``reco_multiplicity``; and ratios of
            N-subjettiness, ``reco_tau32`` for ``reco_tau3`` over ``reco_tau2``, which are 0 where
            both are.
        jet_columns: Names of the columns of ``jet [J, K]``.
        whole: Names of the attributes ``[J]`` that are whole numbers.

    Shapes:
        - input: ``jet [J, K]``, and ``[J]`` for each whole number
        - output: the same and ``jet_features [J, len(names)]`` float32

    Raises:
        InputError: For an observable that neither is a column nor follows from those.

    Examples:
        >>> data = Data(jet=torch.tensor([[80.0, 0.4, 0.1]]), reco_multiplicity=torch.tensor([40]))
        >>> columns = ["reco_mass", "reco_tau1", "reco_tau2"]
        >>> names = ["reco_mass", "reco_tau21", "reco_multiplicity"]
        >>> JetFeatures(names, columns, ["reco_multiplicity"])(data).jet_features
        tensor([[80.0000,  0.2500, 40.0000]])
    """

    def __init__(self, names: Sequence[str], jet_columns: Sequence[str], whole: Sequence[str] = ()):
        self.jet_columns, self.whole = tuple(jet_columns), tuple(whole)
        known = [*self.jet_columns, *self.whole]
        known += [ratio for ratio in names if ratio not in known and self._parts(ratio)]
        self.names = check_names([names] if isinstance(names, str) else names, known, "observable")
        if not self.names:
            raise InputError(f"Expected at least one observable: choose from {', '.join(known)}.")

    def forward(self, data: Data) -> Data:
        """Return a copy of ``data`` (one graph or a batch) with ``jet_features``."""
        out = copy.copy(data)
        out.jet_features = torch.stack([self._value(data, name) for name in self.names], -1).float()
        return out

    def _parts(self, name: str) -> tuple[str, str] | None:
        """The columns whose ratio a name stands for, if there are such columns."""
        match = _RATIO.match(name)
        parts = (match[1] + match[2], match[1] + match[3]) if match else ()
        return parts if parts and set(parts) <= set(self.jet_columns) else None

    def _value(self, data: Data, name: str) -> Tensor:
        """One observable of each jet, ``[J]``."""
        if name in self.jet_columns:
            return data.jet[:, self.jet_columns.index(name)]
        if name in self.whole:
            return data[name].reshape(-1)
        upper, lower = (self._value(data, part) for part in self._parts(name) or ())
        return torch.where(lower > 0, upper / lower, 0.0)

    def __repr__(self) -> str:
        return f"JetFeatures({', '.join(self.names)})"
