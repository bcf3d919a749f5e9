"""Jets that are generated on the spot with Pythia and FastJet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import Data

from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.datasets.base import GeneratedDataset
from pyg_jets.detector import Detector
from pyg_jets.errors import InputError
from pyg_jets.events import generation
from pyg_jets.events.substructure import substructure
from pyg_jets.files import content_hash
from pyg_jets.io import read_parquet
from pyg_jets.jets import JetArray

__all__ = ["PythiaJets"]

LEVELS = ("gen", "reco")


class PythiaJets(GeneratedDataset):
    """Jets from Pythia 8 and FastJet, generated when missing, stored before the detector.

    Items hold the canonical columns (pt, eta, phi, mass, charge, pdgid) of the generated particles,
    so that :class:`~pyg_jets.transforms.Resimulate` can rotate and re-simulate them; ``jet`` holds
    the jet's observables before (``gen_…``) and after (``reco_…``) the detector. The pT window is
    applied to the level asked for; all variants of a jet stay where the un-rotated one passes.

    Args:
        root: The folder; ``raw/`` keeps what was generated, and generation continues there.
        processes: The classes, in the order of their labels, out of ``qcd, quark, gluon, w, z,
            top``.
        n_jets: Jets of each class inside the window at generator level.
        pt: The window of jet pT (GeV).
        eta_max: Largest \\|η\\| of a jet.
        radius: Radius of the anti-kt jets.
        pthat: Range of the hard scattering's pT, in multiples of the window's edges.
        settings: Further Pythia settings.
        shower: ``"simple"`` or ``"vincia"``.
        seed: Seed of the events.
        detector: A preset of :class:`~pyg_jets.detector.Detector` for ``reco_…``, or ``None``.
        detector_seed: Seed of the detector; equal to that of ``Resimulate``, the window sees
            just the variant that a network sees.
        level: Where the pT window applies, ``"reco"`` or ``"gen"``. Default: ``"reco"`` if there is
            a detector.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all. Splits go by event.
        split_fractions: Shares of the three.
        workers: Local processes for generation. Default: the number of cores.
        scheduler: Address of a Dask scheduler instead.
        transform: See :class:`~pyg_jets.datasets.base.JetDataset`.
        pre_transform: See there.
        pre_filter: See there.
        force_reload: See there.

    Raises:
        ValueError: For an unknown process, detector or level, or an empty window.
    """

    def __init__(
        self,
        root: str | Path,
        processes: Sequence[str] = ("qcd", "w"),
        n_jets: int = 2000,
        pt: tuple[float, float] = (500.0, 600.0),
        eta_max: float = 2.0,
        radius: float = 0.8,
        pthat: tuple[float, float] = (0.8, 1.6),
        settings: Sequence[str] = (),
        shower: str = "simple",
        seed: int = 1,
        detector: str | None = "cms-like",
        detector_seed: int = 0,
        level: str | None = None,
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
        if detector is not None:
            Detector.preset(detector)
        self.classes = tuple(processes)
        low, high = pt  # whole numbers or not, the jets are the same, and so is their folder
        self.level, self.pt, self.n_jets = level, (float(low), float(high)), n_jets
        self.detector, self.detector_seed, self.radius = detector, detector_seed, radius
        self.generator: dict[str, Any] = {
            "pt": self.pt,
            "eta_max": float(eta_max),
            "radius": float(radius),
            "pthat": tuple(map(float, pthat)),
            "settings": tuple(settings),
            "shower": shower,
            "seed": seed,
        }
        self._run: dict[str, Any] = {"workers": workers, "scheduler": scheduler}
        content = {
            **self.generator,
            "processes": self.classes,
            "n_jets": n_jets,
            "detector": detector,
            "detector_seed": detector_seed,
            "level": level,
        }
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

    @property
    def raw_dir(self) -> str:
        """Where the generated jets of these settings are kept."""
        return str(Path(self.root) / "raw" / content_hash(self.generator))

    def load_jets(self) -> JetArray:
        """Generate what is missing, add the detector's view, and cut at the window."""
        files = generation.generate_folder(
            self.classes, self.n_jets, Path(self.raw_dir), **self.generator, **self._run
        )
        parts = [
            self._at_level(read_parquet(files[process])).with_labels(label)
            for label, process in enumerate(self.classes)
        ]
        return JetArray.concatenate(parts)

    def _at_level(self, jets: JetArray) -> JetArray:
        jets = jets.select(CANONICAL)
        if self.detector is not None:
            seen = Detector.preset(self.detector).simulate(jets, seed=self.detector_seed)
            found = substructure(seen, self.radius)
            jets = jets.with_jets(**{f"reco_{name}": value for name, value in found.items()})
        pt = jets.jets[f"{self.level}_pt"]
        inside = (pt >= self.pt[0]) & (pt < self.pt[1])
        if not inside.any():
            raise InputError(
                f"No jet has {self.level}_pt in {self.pt} GeV: generate more jets, or widen it."
            )
        return jets[np.flatnonzero(inside)]
