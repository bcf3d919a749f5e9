"""The jets of the tables of GEN → RECO, and what all their rows have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch

from pyg_jets.metrics.generation import JetSample
from pyg_jets.metrics.observables import UNTRAINED, jet_observables
from pyg_jets.metrics.response import skill
from pyg_jets.studies.generation.baselines import Ratios, random_response
from pyg_jets.studies.generation.gen_reco_jets import (
    GenReco,
    Response,
    Sets,
    detector,
    grid_hidden,
    hides_kinds_and_eta,
)
from pyg_jets.studies.generation.gen_reco_score import HeldOutScore

__all__ = ["CEILINGS", "SHAPES", "Bench", "Sizes", "all_features", "moments"]

#: Features of a jet beside pT, mass, η, φ and n: no loss sees the last three.
SHAPES = ("width", "leading_share", *UNTRAINED)
#: Seeds: of the detector that rows are compared with, of what a row shows, of the detector's draws
#: of single jets, of those of a row, and of those of its ceiling.
FLOOR, ROW, DRAWS, AGAIN, OTHER = 1, 20, 1_000, 100_000, 200_000
#: Detectors that know as much as a network may: all, all but the place on the cells, and what the
#: source's inputs tell.
CEILINGS: dict[str, Callable[[Any], Response]] = {
    "detector": detector,
    "grid hidden": grid_hidden,
    "inputs hidden": hides_kinds_and_eta,
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured: all by default, little in a quick run.

    Args:
        test: Test jets.
        train: Training jets of the ratios and regressions.
        drawn: Jets of which the response is drawn.
        draws: How often.
        floors: Draws of the detector for the spread of the floor.
        resamples: Bootstrap samples.
        pfn: Jets of a class for the classifier that reads particles.
        steps: Its steps.
        polynomials: Jets of which energy-flow polynomials are computed.
        timed: Jets for the time of sampling.
        bin_error: Largest statistical error of a bin.
    """

    test: int = 50_000
    train: int = 45_000
    drawn: int = 4_000
    draws: int = 200
    floors: int = 5
    resamples: int = 30
    pfn: int = 10_000
    steps: int = 3_000
    polynomials: int = 25_000
    timed: int = 8_192
    bin_error: float = 0.03


class Bench:
    """The jets of all rows of a table, and what is computed of them once.

    Args:
        jets: The jets.
        sizes: How much is measured.
    """

    def __init__(self, jets: GenReco, sizes: Sizes):
        self.jets, self.sizes = jets, sizes

    @cached_property
    def ratios(self) -> Ratios:
        """Responses of the training jets."""
        return Ratios(self.jets)

    @cached_property
    def truth(self) -> dict[str, np.ndarray]:
        """Features of the truth."""
        return all_features(self.jets.reco)

    @cached_property
    def rivals(self) -> dict[str, dict[str, np.ndarray]]:
        """Features of the rows that others are compared with, jet by jet."""
        again, random = detector(self.jets.detector), random_response(self.jets, self.ratios)
        return {
            "detector_again": all_features(self.jets.respond(again, FLOOR)),
            "random_response": all_features(self.jets.respond(random, ROW)),
        }

    @cached_property
    def drawn(self) -> dict[str, np.ndarray]:
        """Moments of the draws of the detector, see :func:`moments`."""
        return moments(detector(self.jets.detector), self, DRAWS)

    @cache  # noqa: B019
    def ceiling(self, name: str) -> dict[str, np.ndarray]:
        """Moments of other draws of a detector that knows as much as a network.

        Args:
            name: One of :data:`CEILINGS`.
        """
        return moments(CEILINGS[name](self.jets.detector), self, OTHER)

    @cached_property
    def held_out(self) -> HeldOutScore:
        """The score, with the scale of two responses of the detector to training jets."""
        response, batch = detector(self.jets.detector), self.jets.train[0]
        return HeldOutScore(response(batch, 91), response(batch, 92))

    @cache  # noqa: B019
    def scores(self, with_kinds: bool) -> tuple[np.ndarray, np.ndarray]:
        """Scores of each test jet: of identity, and of another response of the detector."""
        rows = (self.jets.before, detector(self.jets.detector))
        identity, again = (self.score(response, with_kinds) for response in rows)
        return identity, again

    @torch.no_grad()
    def score(self, response: Response, with_kinds: bool = True) -> np.ndarray:
        """Energy score of two draws against the truth, of each test jet.

        Args:
            response: The response.
            with_kinds: Whether kinds of particles are told apart.
        """
        parts = []
        for batch in self.jets.test:
            draws = [response(batch, ROW), response(batch, ROW + 1), self.jets.truth(batch)]
            if not with_kinds:
                draws = [s._replace(kind=torch.zeros_like(s.kind)) for s in draws]
            parts.append(self.held_out(*draws).numpy())
        return np.concatenate(parts)

    def skill(self, response: Response, with_kinds: bool) -> tuple[float, float]:
        """The skill of a response by the score, with its error.

        Args:
            response: The response.
            with_kinds: Whether kinds of particles are told apart.
        """
        identity, again = self.scores(with_kinds)
        row = self.score(response, with_kinds)
        value, error = skill(identity, row, again, n=self.sizes.resamples)
        return value, error

    @cached_property
    def sample(self) -> JetSample:
        """The truth with pT relative to that of GEN."""
        return self.relative(self.jets.reco)

    def relative(self, sets: Sets) -> JetSample:
        """Jets with pT relative to that of the GEN jet.

        Args:
            sets: Responses to the test jets.
        """
        gen = torch.from_numpy(self.jets.gen_features["pt"])
        x = sets.x.double().clone()
        x[:, 0] /= gen.clamp(min=1e-9).repeat_interleave(sets.ptr.diff())
        return JetSample(x, sets.ptr)


def all_features(sets: Sets) -> dict[str, np.ndarray]:
    """:data:`FEATURES` and :data:`SHAPES` of each jet, ``{name: [J]}``.

    Args:
        sets: The jets.
    """
    return sets.features() | jet_observables(JetSample(sets.x, sets.ptr), SHAPES)


def moments(response: Response, bench: Bench, seed: int) -> dict[str, np.ndarray]:
    """Mean and deviation of RECO / GEN of the first jets over draws, of pT and mass.

    Args:
        response: The response.
        bench: The jets, and how many of them and how often.
        seed: Seed of the first draw.

    Returns:
        ``{"pt": [2, J], "mass": [2, J]}``: means, deviations.
    """
    batch, sizes = bench.jets.first(bench.sizes.drawn), bench.sizes
    gen = bench.jets.before(batch).features()
    sums = {name: np.zeros((2, batch.num_graphs)) for name in ("pt", "mass")}
    for draw in range(sizes.draws):
        features = response(batch, seed + draw).features()
        for name, total in sums.items():
            ratio = features[name] / np.maximum(gen[name], 1e-9) - 1
            total += ratio, ratio**2
    result = {}
    for name, (first, second) in sums.items():
        mean = first / sizes.draws
        variance = (second / sizes.draws - mean**2) * sizes.draws / max(sizes.draws - 1, 1)
        result[name] = np.stack((1 + mean, np.sqrt(np.maximum(variance, 0))))
    return result
