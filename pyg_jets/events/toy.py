"""Toy events: pairs of energy deposits against single ones, inside the unit disk.

Deposits lie on a plane: ``eta`` and ``phi`` are the plane's x and y instead of pseudorapidity and
azimuth, and ``pt`` is the energy of a deposit in units of the largest possible one. The geometry is
that of arXiv 2311.05952.
"""

from __future__ import annotations

import numpy as np

from pyg_jets.columns import CANONICAL
from pyg_jets.errors import InputError
from pyg_jets.events.options import check_count
from pyg_jets.jets import JetArray

__all__ = ["DEPOSITS", "FRAGMENTS", "FRAGMENT_WIDTH", "PAIR_WIDTH", "generate"]

#: Deposits of one event.
DEPOSITS = 16
#: Equal parts into which each deposit is split.
FRAGMENTS = 32
#: Standard deviation, on each axis, of a deposit about its pair's centre (disk radii).
PAIR_WIDTH = 0.165
#: Standard deviation, on each axis, of a part about its deposit (disk radii).
FRAGMENT_WIDTH = 0.010

_PHOTON = 22
# Events are drawn in blocks of this many, each with its own generator, so that the first k events
# of a larger request are those of a request for k.
_BLOCK = 256


def generate(
    n_jets: int,
    seed: int = 0,
    signal_fraction: float = 0.5,
    pair_width: float = PAIR_WIDTH,
    fragment_width: float = FRAGMENT_WIDTH,
) -> JetArray:
    """Draw toy events: 16 deposits in the unit disk, each split into 32 equal parts.

    The energies of the deposits are uniform in (0, 1). In a background event (label 0) each deposit
    is uniform on the disk. A signal event (label 1) has eight pairs: the centre of a pair is
    uniform on the disk, and each of its two deposits is displaced from it by a 2D Gaussian, redrawn
    until it is inside the disk. The first ``k`` events of a seed do not depend on ``n_jets``.

    Args:
        n_jets: Number of events, each of one jet.
        seed: Seed of the random numbers, not negative.
        signal_fraction: Probability of a signal event.
        pair_width: Standard deviation, on each axis, of a deposit about its pair's centre (disk
            radii).
        fragment_width: Standard deviation, on each axis, of a part about its deposit (disk radii).

    Returns:
        Jets with the columns :data:`pyg_jets.columns.CANONICAL` (``eta`` = x, ``phi`` = y, ``pt`` =
        energy, massless and neutral photons), labels, and the jet column ``event``.

    Raises:
        ValueError: For an argument outside its range.

    Examples:
        >>> jets = generate(100, seed=1)
        >>> jets
        JetArray(100 jets, 51200 particles, columns=(pt, eta, phi, mass, charge, pdgid), labels,
            jets=(event))
        >>> generate(5, seed=1).equals(jets[:5])
        True
    """
    n_jets, seed = check_count("n_jets", n_jets), check_count("seed", seed, least=0)
    if not 0 <= signal_fraction <= 1:
        raise InputError(f"Expected signal_fraction between 0 and 1, but got {signal_fraction!r}.")
    for name, width in (("pair_width", pair_width), ("fragment_width", fragment_width)):
        if not 0 <= width <= 10:
            raise InputError(f"Expected {name} between 0 and 10 disk radii, but got {width!r}.")
    blocks = [
        _block(np.random.default_rng([seed, k]), signal_fraction, pair_width, fragment_width)
        for k in range(-(-n_jets // _BLOCK))
    ]
    particles = np.concatenate([block[0] for block in blocks])[:n_jets]
    labels = np.concatenate([block[1] for block in blocks])[:n_jets]
    per_jet = DEPOSITS * FRAGMENTS
    ids = np.arange(n_jets)
    return JetArray(
        particles.reshape(-1, len(CANONICAL)),
        CANONICAL,
        np.arange(n_jets + 1) * per_jet,
        labels,
        jets={"event": ids},
        ids=ids,
    )


def _block(
    rng: np.random.Generator, signal_fraction: float, pair_width: float, fragment_width: float
) -> tuple[np.ndarray, np.ndarray]:
    """One block of events: particles ``[256, 512, 6]`` and labels ``[256]``."""
    labels = (rng.random(_BLOCK) < signal_fraction).astype(np.int64)
    # Both are drawn for every event, so that the random numbers do not depend on the labels.
    pairs, singles = _pairs_on_disk(rng, pair_width), _uniform_on_disk(rng, (_BLOCK, DEPOSITS))
    deposits = np.where(labels[:, None, None] == 1, pairs, singles)
    energies = rng.random((_BLOCK, DEPOSITS, 1)) / FRAGMENTS
    spread = rng.normal(0, fragment_width, (_BLOCK, DEPOSITS, FRAGMENTS, 2))
    particles = np.zeros((_BLOCK, DEPOSITS, FRAGMENTS, len(CANONICAL)), np.float32)
    particles[..., 0] = energies
    particles[..., 1:3] = deposits[:, :, None] + spread
    particles[..., CANONICAL.index("pdgid")] = _PHOTON
    return particles.reshape(_BLOCK, DEPOSITS * FRAGMENTS, -1), labels


def _uniform_on_disk(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Points on the unit disk, ``[*shape, 2]``."""
    radius, angle = np.sqrt(rng.random(shape)), 2 * np.pi * rng.random(shape)
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), -1)


def _pairs_on_disk(rng: np.random.Generator, width: float) -> np.ndarray:
    """Deposits ``[256, 16, 2]``, two at a time about a common centre."""
    centres = np.repeat(_uniform_on_disk(rng, (_BLOCK, DEPOSITS // 2)), 2, axis=1)
    deposits = centres + rng.normal(0, width, centres.shape)
    while (outside := (deposits**2).sum(-1) > 1).any():
        deposits[outside] = centres[outside] + rng.normal(0, width, (outside.sum(), 2))
    return deposits
