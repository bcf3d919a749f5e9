"""Toy events: pairs of energy deposits against single ones, on a disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch_geometric.data import Data

from pyg_jets.datasets.base import GeneratedDataset, check_columns
from pyg_jets.events import toy
from pyg_jets.jets import JetArray
from pyg_jets.substructure import substructure

__all__ = ["ToyJets"]


class ToyJets(GeneratedDataset):
    """Clustered (1) against uniform (0) energy deposits on a disk, before any detector.

    Source: arXiv 2311.05952. Columns are the canonical ones with eta = x, phi = y, pt = energy on
    the plane [-1, 1]²; use the detectors ``toy-uniform`` and ``toy-rect``.

    Args:
        root: The folder.
        n_jets: Number of events, half of them signal.
        seed: Seed of the events.
        pair_width: Standard deviation, on each axis, of a deposit about its pair's centre (disk
            radii).
        fragment_width: Standard deviation, on each axis, of a part about its deposit (disk radii).
        jet_columns: Observables that are computed from the deposits of each event, by their names
            in :mod:`pyg_jets.substructure.observables`, such as ``["tau21"]``, or
            ``{column: observable}``. Distances are those on the disk, momenta are energies.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all.
        split_fractions: Fractions of the three splits.
        transform: Applied to each graph when it is read.
        pre_transform: Applied to each graph before it is stored.
        pre_filter: Which graphs are stored.
        force_reload: Whether to make the stored files anew.

    Examples:
        >>> import tempfile
        >>> ToyJets(tempfile.mkdtemp(), n_jets=20)
        ToyJets(20)
    """

    classes = ("background", "signal")
    axis = "origin"

    def __init__(
        self,
        root: str | Path,
        n_jets: int = 10_000,
        seed: int = 0,
        pair_width: float = toy.PAIR_WIDTH,
        fragment_width: float = toy.FRAGMENT_WIDTH,
        jet_columns: Sequence[str] | Mapping[str, str] | None = None,
        split: str | None = None,
        split_fractions: Sequence[float] = (0.5, 0.15, 0.35),
        transform: Callable[[Data], Data] | None = None,
        pre_transform: Callable[[Data], Data] | None = None,
        pre_filter: Callable[[Data], bool] | None = None,
        force_reload: bool = False,
    ):
        self.n_jets, self.seed = n_jets, seed
        self.widths = {"pair_width": pair_width, "fragment_width": fragment_width}
        self.requested_jet_columns = check_columns(jet_columns)
        computed = {"jet_columns": self.requested_jet_columns} if self.requested_jet_columns else {}
        super().__init__(
            root,
            split,
            split_fractions,
            {"n_jets": n_jets, "seed": seed, **self.widths, **computed},
            transform,
            pre_transform,
            pre_filter,
            force_reload,
        )

    def load_jets(self) -> JetArray:
        """Generate the events, and compute their columns."""
        jets = toy.generate(self.n_jets, self.seed, **self.widths)
        return jets.with_jets(**substructure(jets, names=self.requested_jet_columns))
