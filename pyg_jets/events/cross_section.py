"""The cross section of a request, and of each slice, as Pythia estimates it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyg_jets.events.chunk import new_pythia
from pyg_jets.events.options import PythiaOptions
from pyg_jets.events.slices import slice_of

__all__ = ["CrossSection", "cross_section"]

#: Hard processes that are drawn: the error of the sum is then below 1 %.
_HARD_PROCESSES = 10_000
_PB_PER_MB = 1e9


class CrossSection(NamedTuple):
    """A cross section with its statistical error.

    Args:
        pb: The cross section over all slices (pb).
        error: Its statistical error (pb).
        slices: That of each slice (pb).
    """

    pb: float
    error: float
    slices: tuple[float, ...]


def cross_section(process: str, options: PythiaOptions) -> CrossSection:
    """Pythia's cross section, from hard processes without showers, within less than 1 %.

    It depends on process and options only. Events of weights :math:`w_i` that sum to :math:`W`
    stand for :math:`w_i \\sigma / W` each: so the jets of a folder are normalised, with the sum of
    the weights of all its events from the cut flow.

    Args:
        process: A name of :data:`pyg_jets.events.processes.PROCESSES`.
        options: The options of the jets.
    """
    import awkward as ak

    pythia = new_pythia(process, options, hard_process_only=True)
    pthat = np.sqrt(ak.to_numpy(pythia.nextBatch(_HARD_PROCESSES).info.pT2Hat))
    info, slices = pythia.infoPython(), options.slices(process)
    weights = np.ones(len(pthat))
    if options.is_weighted:
        weights = options.event_weights(pthat, process)
    shares = np.bincount(slice_of(pthat, slices), weights, len(slices)) / weights.sum()
    sigma = info.sigmaGen() * _PB_PER_MB
    return CrossSection(sigma, info.sigmaErr() * _PB_PER_MB, tuple((sigma * shares).tolist()))
