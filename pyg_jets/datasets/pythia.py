"""Jets that are generated when they are missing, with Pythia and FastJet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import Data

from pyg_jets.columns import CANONICAL, OBSERVABLES, check_names
from pyg_jets.datasets.base import GeneratedDataset, check_columns
from pyg_jets.detector import Detector, Pileup
from pyg_jets.detector.pileup import check_mu
from pyg_jets.errors import InputError
from pyg_jets.events.chunk import require_generators
from pyg_jets.events.folder import generate_folder, require_generation
from pyg_jets.events.minimum_bias import ETA_MAX, generate_pool, lacks_events
from pyg_jets.events.options import PythiaOptions
from pyg_jets.events.slices import check_pthat
from pyg_jets.events.variations import check_variations
from pyg_jets.files import content_hash
from pyg_jets.io import read_parquet
from pyg_jets.jets import JetArray
from pyg_jets.substructure import substructure

__all__ = ["PythiaJets"]

LEVELS = ("gen", "reco")
#: Minimum-bias events of the pool of pile-up.
POOL = 5000


class PythiaJets(GeneratedDataset):
    """Jets from Pythia 8 and FastJet, generated when missing, stored before the detector.

    Items hold the canonical columns (pt, eta, phi, mass, charge, pdgid) of the generated particles,
    so that :class:`~pyg_jets.transforms.Resimulate` can rotate and re-simulate them; ``jet`` holds
    the jet's observables before (``gen_…``) and after (``reco_…``) the detector. The pT window
    applies to one of these levels; all variants of a jet are kept if the un-rotated one passes.
    Unless ``pthat`` is a pair, jets have a ``weight``, whose mean over each class is 1.

    The arguments from ``pt`` to ``shower_variations`` are those of
    :class:`~pyg_jets.events.PythiaOptions`, with the same defaults.

    Args:
        root: The folder; ``raw/`` keeps the generated jets, and generation continues there.
        processes: The classes in the order of their labels: names out of ``qcd, quark, gluon, w,
            z, top``.
        n_jets: Jets of each class in the pT window before the detector.
        pt: The window of jet pT, (lowest, highest) in GeV.
        eta_max: Largest \\|η\\| of a jet.
        radius: Radius R of the anti-kt jets.
        pthat: Which pT of the hard process is generated: ``"sliced"``, with a ``weight`` of each
            jet; ``"biased"``; a pair in multiples of the window's edges, without weights; or slices
            (low, high, weight).
        settings: Further lines of Pythia settings, such as ``"PartonLevel:MPI = off"``.
        shower: The parton shower, ``"simple"`` or ``"vincia"``.
        seed: Seed of the events.
        events_per_chunk: Number of events that are generated at a time.
        tune: Pythia's tune, by name or number. Default: Pythia's own.
        hadronization: The model of hadronisation, by name.
        shower_variations: Names of variations of the shower's scales, or true for all: each is a
            jet column ``weight_NAME``.
        detector: A preset of :class:`~pyg_jets.detector.Detector` for ``reco_…``, or ``None``.
        detector_seed: Seed of the detector. If it equals that of ``Resimulate``, the pT window is
            applied to the very variant that a network reads.
        level: Where the pT window applies, ``"reco"`` or ``"gen"``. Default: ``"reco"`` if there is
            a detector.
        pileup: Mean number μ of pile-up collisions, from a pool of 5,000 minimum-bias events that
            ``raw/`` keeps; see :class:`~pyg_jets.detector.Pileup` for what it leaves out. Items
            then hold the jet's particles and behind them those of pile-up, which ``reco_…`` feel
            and ``gen_…`` do not. Default: none.
        jet_columns: Further observables, ``gen_…`` and ``reco_…``, by their names in
            :mod:`pyg_jets.substructure.observables`, such as ``["tau32", "c2"]``, or
            ``{column: observable}``.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all. Splits go by event.
        split_fractions: Fractions of the three splits.
        workers: Local processes for generation. Default: the number of cores.
        scheduler: Address of a Dask scheduler instead.
        transform: Applied to each graph when it is read.
        pre_transform: Applied to each graph before it is stored.
        pre_filter: Which graphs are stored.
        force_reload: Whether to make the stored files anew.

    Raises:
        ValueError: For an unknown process, detector or level, an option outside its range, a μ that
            is negative or not finite, or an empty window.
    """

    def __init__(
        self,
        root: str | Path,
        processes: Sequence[str] = ("qcd", "w"),
        n_jets: int = 2000,
        pt: tuple[float, float] = (500.0, 600.0),
        eta_max: float = 2.0,
        radius: float = 0.8,
        pthat: str | tuple[float, float] | Sequence[Sequence[float]] = "sliced",
        settings: Sequence[str] = (),
        shower: str = "simple",
        seed: int = 1,
        events_per_chunk: int = 250,
        tune: int | str | None = None,
        hadronization: str = "string",
        shower_variations: Sequence[str] | bool = (),
        detector: str | None = "cms-like",
        detector_seed: int = 0,
        level: str | None = None,
        pileup: float | None = None,
        jet_columns: Sequence[str] | Mapping[str, str] | None = None,
        split: str | None = None,
        split_fractions: Sequence[float] = (0.5, 0.15, 0.35),
        workers: int | None = None,
        scheduler: str | None = None,
        transform: Callable[[Data], Data] | None = None,
        pre_transform: Callable[[Data], Data] | None = None,
        pre_filter: Callable[[Data], bool] | None = None,
        force_reload: bool = False,
    ):
        level = level or ("gen" if detector is None else "reco")
        check_names((level,), LEVELS if detector else LEVELS[:1], "level")
        seen_by = None if detector is None else Detector.preset(detector)
        self.pileup = None if pileup is None else check_mu(pileup)
        self.requested_jet_columns = _new_columns(jet_columns)
        self.options = PythiaOptions(
            pt=pt,
            eta_max=eta_max,
            radius=radius,
            pthat=check_pthat(pthat),
            settings=tuple(settings),
            shower=shower,
            seed=seed,
            events_per_chunk=events_per_chunk,
            tune=tune,
            hadronization=hadronization,
            shower_variations=check_variations(shower_variations),
        )
        self.classes = tuple(processes)
        self.level, self.n_jets = level, n_jets
        self.detector, self.detector_seed = detector, detector_seed
        self.workers, self.scheduler = workers, scheduler
        content = {
            **self._hashed_options(),
            "processes": self.classes,
            "n_jets": n_jets,
            # what the preset is, so that jets of another version's are not taken for its own
            "detector": seen_by and asdict(seen_by),
            "detector_seed": detector_seed,
            "level": level,
            **({} if self.pileup is None else {"pileup": self.pileup}),
        }
        if self.requested_jet_columns:
            content["jet_columns"] = self.requested_jet_columns
        super().__init__(
            root,
            split,
            split_fractions,
            content,
            transform,
            pre_transform,
            pre_filter,
            force_reload,
        )

    def _hashed_options(self) -> dict[str, Any]:
        """The options that name the folders. The default chunk size is left out: it was no
        argument of the first version, whose folders keep their names."""
        options = self.options.as_dict()
        if self.options.events_per_chunk == PythiaOptions.events_per_chunk:
            del options["events_per_chunk"]
        return options

    @property
    def raw_dir(self) -> str:
        """Where the generated jets of these options are kept."""
        return str(Path(self.root) / "raw" / content_hash(self._hashed_options()))

    def require_packages(self) -> None:
        """Pythia and FastJet are needed, and Dask for several processes, if jets lack."""
        asked = self.classes, self.n_jets, self.raw_dir, self.options
        require_generation(*asked, self.workers, self.scheduler)
        if self.pileup is not None and lacks_events(self.pool_dir, POOL):
            require_generators()

    @property
    def pool_dir(self) -> str:
        """Where the minimum-bias events of pile-up are kept."""
        return str(Path(self.root) / "raw" / f"minimum_bias-{ETA_MAX:g}")

    def load_jets(self) -> JetArray:
        """Generate the jets that are missing, add the detector's observables, apply the window."""
        files = generate_folder(
            self.classes,
            self.n_jets,
            Path(self.raw_dir),
            self.options,
            self.workers,
            self.scheduler,
        )
        return JetArray.concatenate(
            [
                self._in_window(read_parquet(files[process])).with_labels(label)
                for label, process in enumerate(self.classes)
            ]
        )

    def _in_window(self, jets: JetArray) -> JetArray:
        """The jets of one class in the pT window, with ``reco_…`` columns."""
        jets, further = jets.select(CANONICAL), self.requested_jet_columns
        computed = substructure(jets, names=further)
        jets = jets.with_jets(**{f"gen_{name}": v for name, v in computed.items()})
        if self.pileup is not None:
            pool = generate_pool(POOL, eta_max=ETA_MAX, out=self.pool_dir)
            pileup = Pileup(pool, self.pileup, self.options.radius)
            jets = pileup.overlay(jets, seed=self.detector_seed)
        if self.detector is not None:
            seen = Detector.preset(self.detector).simulate(jets, seed=self.detector_seed)
            names = {**{name: name for name in OBSERVABLES}, **further}
            observables = substructure(seen, self.options.radius, names=names)
            jets = jets.with_jets(**{f"reco_{name}": v for name, v in observables.items()})
        low, high = self.options.pt
        pt = jets.jets[f"{self.level}_pt"]
        inside = (pt >= low) & (pt < high)
        if not inside.any():
            raise InputError(
                f"No jet has {self.level}_pt in {(low, high)} GeV: generate more jets, or widen it."
            )
        return _with_mean_weight_1(jets[np.flatnonzero(inside)])


def _with_mean_weight_1(jets: JetArray) -> JetArray:
    """The same jets with weights that sum to their number, so that classes count alike.

    The weights of the shower's variations are divided by the same number, and keep their ratio.
    """
    if "weight" not in jets.jets:
        return jets
    mean = jets.jets["weight"].mean(dtype=np.float64)
    weights = {n: v for n, v in jets.jets.items() if n == "weight" or n.startswith("weight_")}
    return jets.with_jets(**{n: (v / mean).astype(np.float32) for n, v in weights.items()})


def _new_columns(jet_columns: Sequence[str] | Mapping[str, str] | None) -> dict[str, str]:
    """The columns that are computed besides those that every data set of Pythia's jets has."""
    columns = check_columns(jet_columns)
    for column, name in columns.items():
        if column in OBSERVABLES and column != name:
            raise InputError(
                f"Jets of Pythia have a column {column!r} of their own: compute {name!r} under "
                f"another name, as {{'own_{column}': {name!r}}}."
            )
    return {column: name for column, name in columns.items() if column not in OBSERVABLES}
