r"""Features of jets and of particles, and their distances between generated and real jets."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyg_jets import kinematics
from pyg_jets.metrics.generation import feature_distance, weighted_deviation
from pyg_jets.metrics.inputs import as_numpy, jet_weights

__all__ = ["JET_FEATURES", "feature_distances", "jet_features", "particle_features"]

#: Features of a jet, from the sum of its massless particles: pT, mass and energy in GeV, and η and
#: φ relative to its axis.
JET_FEATURES = ("pt", "eta", "phi", "mass", "energy", "multiplicity")
_PARTICLE = ("pt", "eta", "phi")
#: Standard deviations below this share of the largest value, or of 1, are rounding in float32.
_ROUNDING = 1e-5


def jet_features(x: Any, ptr: Any, physical: bool = True) -> dict[str, np.ndarray]:
    """The features of each jet.

    Args:
        x: Massless particles (pT in GeV, η, φ relative to the jet's axis) ``[N, 3]``; further
            columns are not read.
        ptr: Ragged pointer ``[J + 1]``.
        physical: Whether ``x`` holds these columns; otherwise only the multiplicity is returned.

    Returns:
        ``{name: [J]}`` of :data:`JET_FEATURES`, in float64.

    Examples:
        >>> features = jet_features([[3.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [0, 2])
        >>> features["pt"].tolist(), features["multiplicity"].tolist()
        ([4.0], [2.0])
    """
    x, ptr = as_numpy(x).astype(np.float64), as_numpy(ptr)
    multiplicity = np.diff(ptr).astype(np.float64)
    if not physical:
        return {"multiplicity": multiplicity}
    pt, eta, phi = x[:, :3].T
    summed = kinematics.jet_momentum(pt, eta, phi, np.zeros_like(pt), ptr)
    of_jet = kinematics.to_cylindrical(*summed)
    values = (*of_jet, summed[3], multiplicity)
    return dict(zip(JET_FEATURES, values, strict=True))


def particle_features(x: Any) -> dict[str, np.ndarray]:
    """The columns of all particles, ``{particle_pt: [N], …}``."""
    columns = as_numpy(x).astype(np.float64).T
    names = _PARTICLE if len(columns) == 3 else [str(i) for i in range(len(columns))]
    return {f"particle_{name}": values for name, values in zip(names, columns, strict=True)}


def feature_distances(
    generated: tuple[Any, Any],
    real: tuple[Any, Any],
    physical: bool = True,
    generated_weights: Any = None,
    real_weights: Any = None,
) -> dict[str, float]:
    r""":math:`W_1` of each feature between two samples, over the real standard deviation.

    Features that are equal for all real jets up to rounding, such as the axis of a jet relative to
    itself, are left out.

    Args:
        generated: Generated jets ``(x, ptr)``.
        real: Real jets ``(x, ptr)``.
        physical: Whether ``x`` holds (pT, η, φ) of massless particles; further columns, such as
            kinds, are not compared.
        generated_weights: A weight for each generated jet, not negative, ``[J]``, which is that of
            each of its particles. Default: all count the same.
        real_weights: A weight for each real jet, likewise.

    Examples:
        >>> x = [[3.0, 0.0, 0.1], [1.0, 0.2, 0.0], [2.0, 0.1, 0.3]]
        >>> distances = feature_distances((x, [0, 1, 3]), (x, [0, 1, 3]))
        >>> list(distances)[:3], distances["mass"]
        (['pt', 'eta', 'phi'], 0.0)
    """
    features, weights = [], []
    for (x, ptr), given, name in (
        (generated, generated_weights, "generated_weights"),
        (real, real_weights, "real_weights"),
    ):
        ptr = as_numpy(ptr)
        weight = None if given is None else jet_weights(given, len(ptr) - 1, name)
        particles = particle_features(as_numpy(x)[:, :3] if physical else x)
        features.append((jet_features(x, ptr, physical), particles))
        weights.append((weight, None if weight is None else np.repeat(weight, np.diff(ptr))))
    distances = {}
    for level in range(2):  # of jets, then of particles
        own, weight = (of_sample[level] for of_sample in weights)
        for name, values in features[1][level].items():
            counted = values if weight is None else values[weight > 0]
            if not len(counted):
                continue
            if weighted_deviation(values, weight) > _ROUNDING * max(1.0, np.abs(counted).max()):
                made = features[0][level][name]
                distances[name] = feature_distance(made, values, own, weight)
    return distances
