"""Observables of a jet beside what a network pools from its particles."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_jets.errors import InputError

__all__ = ["check_jet_channels", "join_observables", "joined_width"]


def check_jet_channels(jet_channels: int) -> int:
    """Return a number of observables, or refuse it.

    Args:
        jet_channels: The number, 0 for none, or -1 to take it from the first batch.

    Raises:
        InputError: If it is below -1.
    """
    if jet_channels < -1:
        raise InputError(
            f"Expected jet_channels of at least 0, or -1 to take it from the first batch, but got "
            f"{jet_channels}."
        )
    return jet_channels


def joined_width(width: int, jet_channels: int) -> int:
    """Number of pooled features and observables together; -1 if one of them is not known yet.

    Args:
        width: Number of pooled features, or -1.
        jet_channels: Number of observables, or -1.

    Examples:
        >>> joined_width(128, 5), joined_width(128, -1)
        (133, -1)
    """
    return -1 if -1 in (width, check_jet_channels(jet_channels)) else width + jet_channels


def join_observables(pooled: Tensor, jet: Tensor | None, jet_channels: int) -> Tensor:
    """Pooled features and observables of each jet, side by side.

    Args:
        pooled: What a network pools from the particles, ``[J, H]``.
        jet: The observables, ``[J, K]``, or ``None``.
        jet_channels: The K that is expected, 0 for none, -1 for any.

    Returns:
        ``[J, H + K]``; ``pooled`` itself without observables.

    Raises:
        InputError: If there are other observables than expected.

    Examples:
        >>> join_observables(torch.zeros(2, 3), torch.ones(2, 1), 1)
        tensor([[0., 0., 0., 1.],
                [0., 0., 0., 1.]])
    """
    if jet_channels == 0 and jet is None:
        return pooled
    given = 0 if jet is None else jet.size(-1)
    is_expected = jet_channels == -1 or jet_channels == given  # torch.compile
    if jet_channels == 0 or given == 0 or not is_expected:
        wanted = "any number of" if jet_channels == -1 else jet_channels or "no"
        raise InputError(
            f"Expected {wanted} observables of each jet (jet_channels={jet_channels}), but got "
            f"{given or 'none'}: give jet [J, {max(jet_channels, 1)}], or make the network with "
            f"jet_channels={given}."
        )
    assert jet is not None
    if jet.dim() != 2 or jet.size(0) != pooled.size(0):
        raise InputError(
            f"Expected jet of shape [{pooled.size(0)}, {given}], a row for each jet, but got "
            f"{list(jet.shape)}."
        )
    return torch.cat((pooled, jet.to(pooled.dtype)), 1)
