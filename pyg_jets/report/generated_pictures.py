"""The figures of a generator's run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from importlib.util import find_spec

import numpy as np

from pyg_jets.metrics.energy_mover import energy_movers_distance
from pyg_jets.report.figures.clouds import clouds_size, draw_clouds
from pyg_jets.report.figures.features import (
    Feature,
    draw_features,
    draw_resolution,
    features_size,
)
from pyg_jets.report.figures.latent import draw_latent
from pyg_jets.report.figures.progress import draw_progress, has_progress
from pyg_jets.report.generated import Generated
from pyg_jets.report.pictures import Picture, picture

__all__ = ["generated_pictures", "stage_names"]

#: Jets drawn beside each other, and the seed that chooses them.
_SHOWN, _SEED = 5, 7
#: Generated jets among which the nearest is sought.
CANDIDATES = 400
_UNITS = {"pt": r"$p_T$ [GeV]", "eta": r"$\eta$", "phi": r"$\phi$", "mass": "m [GeV]",
          "energy": "E [GeV]", "multiplicity": "multiplicity"}  # fmt: skip


def stage_names(one: Generated) -> dict[str, str]:
    """What figures call each stage of a run."""
    if one.pairs:
        return {"input": "input (GEN)", "target": "target (RECO)", "made": "output"}
    return {"target": "real", "made": "generated", "reconstructed": "reconstructed"}


def generated_pictures(one: Generated) -> dict[str, Picture]:
    """All figures that a run has the files for."""
    pictures = [_features(one), *_progress(one), *_clouds(one)]
    if one.physical:
        pictures += [_soft(one), _resolution(one)]
    pictures += [*_latent(one), *_nearest(one)]
    return {each.kind: each for each in pictures}


def _samples(one: Generated, name: str) -> dict[str, np.ndarray]:
    return {stage: one.features[stage][name] for stage in stage_names(one)}


def _weights(one: Generated, name: str) -> dict[str, np.ndarray] | None:
    """The weights of these samples by their stage; ``None`` if all count the same."""
    if not one.weighted:
        return None
    of_particles = name.startswith("particle_")
    found = {stage: one.weights(stage, of_particles) for stage in stage_names(one)}
    return {stage: weight for stage, weight in found.items() if weight is not None}


def _axis(name: str, physical: bool) -> str:
    of = "particle " if name.startswith("particle_") else ""
    text = _UNITS.get(name.removeprefix("particle_"), name.removeprefix("particle_"))
    return f"{of}{text}" if physical else name.replace("_", " column ")


def _features(one: Generated) -> Picture:
    shown = [
        Feature(
            _axis(name, one.physical),
            _samples(one, name),
            log=name == "particle_pt",
            weights=_weights(one, name),
        )
        for name in one.distances  # without those in which targets do not differ
    ]
    draw = partial(draw_features, features=shown, names=stage_names(one))
    distances = "; ".join(f"{name} {value:.3f}" for name, value in one.distances.items())
    alt = f"Histograms of each feature with the ratio to the target below. EMD: {distances}."
    return picture("features", draw, features_size(len(shown)), alt)


def _soft(one: Generated) -> Picture:
    values = _samples(one, "particle_pt")
    edges = np.linspace(0, float(np.quantile(values["target"], 0.6)), 41)
    chosen = {stage: v[v < edges[-1]] for stage, v in values.items()}
    weights = _weights(one, "particle_pt")
    if weights is not None:
        weights = {stage: w[values[stage] < edges[-1]] for stage, w in weights.items()}
    low = Feature(_axis("particle_pt", True), chosen, edges, weights=weights)
    draw = partial(draw_features, features=[low], names=stage_names(one))
    alt = f"Spectrum of the pT of particles below {edges[-1]:.2g} GeV, with its ratio."
    return picture("soft", draw, (5.4, 4.0), alt, most=f"{edges[-1]:.2g}")


def _resolution(one: Generated) -> Picture:
    made = "made" if one.pairs else "reconstructed"
    shifts: dict[str, Mapping[str, np.ndarray]] = {}
    weight, weights = one.weights("input"), {}
    for name, title in (("pt", "jet $p_T$"), ("mass", "jet mass")):
        inputs = one.features["input"][name]
        fine = inputs > 0
        shifts[title] = {
            stage: (one.features[stage][name][fine] - inputs[fine]) / inputs[fine]
            for stage in ("target", made)
            if stage == made or one.pairs
        }
        weights[title] = None if weight is None else weight[fine]
    draw = partial(draw_resolution, shifts=shifts, names=stage_names(one), weights=weights)
    return picture("resolution", draw, (8.4, 3.6), "Relative change of jet pT and jet mass from "
                   "the input to the output and to the target.", pairs=one.pairs)  # fmt: skip


def _progress(one: Generated) -> Iterator[Picture]:
    if has_progress(one.run):
        yield picture("progress", partial(draw_progress, run=one.run), (9.0, 3.6),
                       "Losses, and distances of jet features in validation, over the epochs.",
                       watched=_watched(one))  # fmt: skip


def _watched(one: Generated) -> str:
    return str((one.run.config.get("checkpoint") or {}).get("monitor", "val/loss"))


def _chosen(one: Generated) -> np.ndarray:
    """The same random jets in every drawing, none of them empty."""
    filled = one.stages["target"].counts > 0
    for jets in (one.stages["input"], one.output):
        filled &= jets.counts > 0
    at = np.flatnonzero(filled)
    return np.sort(np.random.default_rng(_SEED).permutation(at)[:_SHOWN])


def _clouds(one: Generated) -> Iterator[Picture]:
    at = _chosen(one)
    if not len(at):
        return
    names = stage_names(one)
    stages = list(names) if one.pairs else ["target", "reconstructed", "made"]
    rows = [(names[stage], one.cloud(stage)[at]) for stage in stages]
    draw = partial(draw_clouds, rows=rows, physical=one.physical)
    what = "jets" if one.physical else "digits"
    alt = f"{len(at)} {what} as clouds of points: {', '.join(names[stage] for stage in stages)}."
    yield picture("clouds", draw, clouds_size(len(rows), len(at)), alt, pairs=one.pairs)


def _latent(one: Generated) -> Iterator[Picture]:
    if not one.latent.size:
        return
    jets = one.stages["input"]
    if one.physical:
        colour, name = one.features["input"]["mass"], "jet mass [GeV]"
    elif jets.labels is not None:
        colour, name = jets.labels.astype(float), "digit"
    else:
        colour, name = jets.counts.astype(float), "multiplicity"
    draw = partial(draw_latent, latent=one.latent, colour=colour, name=name,
                   weights=one.weights("input"))  # fmt: skip
    alt = f"Means of the latent along their two principal components, by {name}, and deviations."
    yield picture("latent", draw, (8.8, 3.7), alt, latents=one.latent.shape[1])


def _nearest(one: Generated) -> Iterator[Picture]:
    """Of random real jets, the nearest generated one, by the energy mover's distance."""
    at = _chosen(one)
    if find_spec("ot") is None or not len(at):
        return
    real, made = one.cloud("target"), one.cloud("made")
    others = np.setdiff1d(np.flatnonzero(made.counts > 0), at)[:CANDIDATES]
    if not len(others):
        return
    unit = [_unit(made[i].particles) for i in others]
    nearest, titles = [], []
    for i in at:
        mine = _unit(real[int(i)].particles)
        apart = np.array([energy_movers_distance(mine, other) for other in unit])
        nearest.append(others[apart.argmin()])
        titles.append(f"EMD/$p_T$ = {apart.min():.3f}")
    rows = [("real", real[at]), ("nearest generated", made[np.array(nearest)])]
    draw = partial(draw_clouds, rows=rows, physical=one.physical, titles=titles)
    alt = f"{len(at)} random real jets above, the nearest of {len(others)} generated ones below."
    yield picture("nearest", draw, clouds_size(2, len(at)), alt, candidates=len(others))


def _unit(particles: np.ndarray) -> np.ndarray:
    """Particles whose pT add up to 1."""
    x = np.array(particles, np.float64)
    x[:, 0] = np.clip(x[:, 0], 0, None)
    x[:, 0] /= max(x[:, 0].sum(), 1e-12)
    return x
