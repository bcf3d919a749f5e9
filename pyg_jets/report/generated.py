"""Runs that make jets, as a report reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pyg_jets.columns import STAGES
from pyg_jets.errors import InputError
from pyg_jets.io import read_parquet
from pyg_jets.jets import JetArray
from pyg_jets.metrics.features import feature_distances, jet_features, particle_features
from pyg_jets.metrics.floors import OverFloor, feature_z_scores
from pyg_jets.metrics.generation import JetSample
from pyg_jets.metrics.observables import UNTRAINED, jet_observables
from pyg_jets.runs import CONFIG, GENERATED, HISTORY, METRICS, PROVENANCE, Run, load_run

__all__ = ["Generated", "is_generated", "load_generated"]

#: Fewest jets whose shapes are compared.
_FEWEST = 20
_FILES = (CONFIG, METRICS, HISTORY, PROVENANCE)


@dataclass(frozen=True)
class Generated:
    """A run that makes jets.

    Args:
        run: The run folder.
        stages: The jets of each of :data:`~pyg_jets.columns.STAGES` that there are, in one order.
    """

    run: Run
    stages: Mapping[str, JetArray]

    @property
    def physical(self) -> bool:
        """Whether particles are (pT, η, φ), and not the pixels of a digit."""
        network = (self.run.config.get("model") or {}).get("network") or {}
        return (network.get("init_args") or {}).get("coordinates") != "plain"

    @property
    def _columns(self) -> tuple[str, ...]:
        return tuple(self.stages["target"].columns)

    @property
    def pairs(self) -> bool:
        """Whether jets were made out of others, not out of noise."""
        return "reconstructed" not in self.stages

    @property
    def output(self) -> JetArray:
        """What was made of each input."""
        return self.stages["made" if self.pairs else "reconstructed"]

    def cloud(self, stage: str) -> JetArray:
        """The jets of a stage with the columns (pT, η, φ), whatever they are called."""
        jets = self.stages[stage]
        first = self._columns.index("pt") if "pt" in self._columns else 0
        order = [first, *(i for i in range(len(self._columns)) if i != first)]
        return jets.select([self._columns[i] for i in order[:3]])

    @cached_property
    def features(self) -> dict[str, dict[str, np.ndarray]]:
        """Of each stage, the features of its jets and of its particles."""
        features = {}
        for stage in self.stages:
            x, ptr = self.stages[stage].particles, self.stages[stage].ptr
            features[stage] = {**jet_features(x, ptr, self.physical), **particle_features(x)}
        return features

    @property
    def weighted(self) -> bool:
        """Whether the jets have weights."""
        return "weight" in self.stages["target"].jets

    def weights(self, stage: str, of_particles: bool = False) -> np.ndarray | None:
        """How much each jet of a stage counts, or each particle; ``None`` if all count the same."""
        jets = self.stages[stage]
        weight = jets.jets.get("weight")
        return weight if weight is None or not of_particles else np.repeat(weight, jets.counts)

    @cached_property
    def distances(self) -> dict[str, float]:
        """Distance of each feature of what was made to that of the targets."""
        sets = [(self.stages[s].particles, self.stages[s].ptr) for s in ("made", "target")]
        weights = (self.weights(s) for s in ("made", "target"))
        return feature_distances(sets[0], sets[1], self.physical, *weights)

    @cached_property
    def shapes(self) -> dict[str, OverFloor]:
        """Distance of each shape that no network is trained on, over its floor; none of digits."""
        fewest = min(len(self.stages[stage]) for stage in ("made", "target"))
        if not self.physical or fewest < _FEWEST:
            return {}
        made, target = (
            jet_observables(JetSample(jets.particles, jets.ptr), UNTRAINED)
            for jets in map(self.cloud, ("made", "target"))
        )
        return feature_z_scores(
            made, target, made_weights=self.weights("made"), real_weights=self.weights("target")
        )

    @cached_property
    def latent(self) -> np.ndarray:
        """Means of the latent of each jet, ``[J, L]``."""
        jets = self.stages["input"].jets
        names = [
            f"z{i}" for i in range(sum(name[:1] == "z" and name[1:].isdigit() for name in jets))
        ]
        return np.stack([jets[name] for name in names], 1) if names else np.empty((0, 0))


def is_generated(folder: str | Path) -> bool:
    """Whether a run folder is that of a generator."""
    return (Path(folder) / GENERATED).is_file()


def load_generated(folders: Iterable[str | Path]) -> list[Generated]:
    """Read the run folders of generators, each once.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If one is no run folder of a generator, or one of its files is broken.
    """
    unique = {Path(folder).resolve(): Path(folder) for folder in folders}
    return [_load(folder) for folder in unique.values()]


def _load(folder: Path) -> Generated:
    run = load_run(folder, _FILES)
    if not is_generated(folder):
        raise InputError(
            f"{folder} has no {GENERATED}: give the folders of generators that were tested, or "
            "those of taggers, not both."
        )
    jets = read_parquet(folder / GENERATED)
    if "stage" not in jets.jets:
        raise InputError(f"{folder / GENERATED} has no jet column stage: test the run again.")
    stages = {}
    for number, name in enumerate(STAGES):
        at = np.flatnonzero(jets.jets["stage"] == number)
        if len(at):
            stages[name] = jets[at[np.argsort(jets.ids[at], kind="stable")]]
    if lacking := {"input", "target", "made"} - set(stages):
        raise InputError(
            f"{folder / GENERATED} has no jets of the stage {', '.join(sorted(lacking))}: "
            "test the run again."
        )
    return Generated(run, stages)
