r"""Between the particles of a jet and the numbers that a generative network works on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from pyg_jets import kinematics
from pyg_jets.errors import InputError

__all__ = ["COORDINATES", "ParticleScale"]

#: Of particles given as pT (GeV), η and φ relative to an axis; ``plain`` takes any columns.
COORDINATES = ("pxpypz", "ptetaphi", "logptetaphi", "logptasinh", "plain")
#: The least pT (GeV) of a particle that is made.
_LEAST_PT = 1e-3
#: Angles (rad) up to about this are linear in ``logptasinh``, and logarithmic beyond.
_CORE = 0.04


class ParticleScale(nn.Module):
    r"""Particles as numbers of unit size, and such numbers as physical particles.

    .. math::
        u = (c(x) - \mu) / \sigma

    where :math:`c` are momenta about the jet's axis, pT and angles, or ln pT and angles, of
    massless particles. The mean μ and the deviation σ of each are learned from particles; with
    ``scale`` they are given instead (:math:`u = s\, c(x)`), as the sources scale: ``[1/2000, 100,
    100]``. What comes back is physical: pT > 0, and finite.

    Args:
        coordinates: ``pxpypz``, ``ptetaphi``, ``logptetaphi`` or ``logptasinh`` of columns
            (pT, η, φ), or ``plain``: the columns as they are, whatever they are. ``logptasinh`` is
            ln pT and arsinh of angles in units of 0.04, so that the core of a jet is resolved.
        scale: A factor for each column. Default: learned.
        columns: Number of columns, if ``plain``.

    Shapes:
        - **x:** ``[N, columns]`` → ``[N, columns]``

    Raises:
        ValueError: For an unknown choice, or other columns.

    Examples:
        >>> scale = ParticleScale("ptetaphi", scale=[0.5, 100, 100])
        >>> scale(torch.tensor([[2.0, 0.5, -0.25]]))
        tensor([[  1.,  50., -25.]])
        >>> scale.particles(torch.tensor([[1.0, 50.0, -25.0]]))
        tensor([[ 2.0000,  0.5000, -0.2500]])
    """

    shift: Tensor
    width: Tensor
    learned: Tensor

    def __init__(
        self,
        coordinates: str = "logptetaphi",
        scale: Sequence[float] | None = None,
        columns: int = 3,
    ) -> None:
        super().__init__()
        if coordinates not in COORDINATES:
            raise InputError(
                f"Unknown coordinates {coordinates!r}: choose from {', '.join(COORDINATES)}."
            )
        if coordinates != "plain" and columns != 3:
            raise InputError(f"Expected 3 columns for {coordinates}, but got {columns}.")
        if scale is not None and (len(scale) != columns or not all(s > 0 for s in scale)):
            raise InputError(f"Expected {columns} factors above 0 as scale, but got {scale}.")
        self.coordinates, self.columns, self.given = coordinates, columns, scale
        factors = torch.ones(columns) if scale is None else torch.tensor(scale, dtype=torch.float32)
        self.register_buffer("shift", torch.zeros(columns))
        self.register_buffer("width", 1 / factors)
        self.register_buffer("learned", torch.tensor(scale is not None))

    def forward(self, x: Tensor) -> Tensor:
        """Numbers of unit size."""
        return (self.raw(x) - self.shift) / self.width

    def raw(self, x: Tensor) -> Tensor:
        """The coordinates, before they are scaled."""
        if x.dim() != 2 or x.size(1) != self.columns:
            columns = "columns" if self.coordinates == "plain" else "columns (pt, eta, phi)"
            raise InputError(
                f"Expected x [N, {self.columns}] with {self.columns} {columns}, but got "
                f"{list(x.shape)}."
            )
        if self.coordinates in ("plain", "ptetaphi"):
            return x
        pt, eta, phi = x.unbind(1)
        if self.coordinates == "logptetaphi":
            return torch.stack((pt.clamp(min=_LEAST_PT).log(), eta, phi), 1)
        if self.coordinates == "logptasinh":
            angles = (x[:, 1:] / _CORE).asinh()
            return torch.cat((pt.clamp(min=_LEAST_PT).log().unsqueeze(1), angles), 1)
        return torch.stack(kinematics.to_cartesian(pt, eta, phi, torch.zeros_like(pt))[:3], 1)

    def particles(self, u: Tensor) -> Tensor:
        """Physical particles, as they were given to :meth:`forward`."""
        raw = u * self.width + self.shift
        if self.coordinates == "plain":
            return raw
        if self.coordinates == "pxpypz":
            px, py, pz = raw.unbind(1)
            pt = (px.square() + py.square() + _LEAST_PT**2).sqrt()
            return torch.stack((pt, (pz / pt).asinh(), torch.atan2(py, px + 1e-12)), 1)
        pt, eta, phi = raw.unbind(1)
        if self.coordinates in ("logptetaphi", "logptasinh"):
            pt = pt.clamp(-7, 14).exp()
        if self.coordinates == "logptasinh":
            eta, phi = (_CORE * angle.clamp(-6, 6).sinh() for angle in (eta, phi))
        return torch.stack((pt.clamp(min=_LEAST_PT), eta.clamp(-10, 10), phi), 1)

    @torch.no_grad()
    def fit_statistics(self, batches: Iterable[Tensor]) -> None:
        """Take mean and deviation from particles, ``[N, columns]`` each, unless they are given.

        Raises:
            ValueError: If there are none, or a coordinate is the same for all.
        """
        if self.given is not None:
            return
        count, total, square = 0, torch.zeros(self.columns), torch.zeros(self.columns)
        total, square = total.double(), square.double()
        for x in batches:
            raw = self.raw(x).double().cpu()
            count, total, square = count + len(raw), total + raw.sum(0), square + (raw**2).sum(0)
        if count == 0:
            raise InputError("The jets have no particles: nothing to learn a scale from.")
        mean = total / count
        deviation = (square / count - mean**2).clamp(min=0).sqrt()
        if flat := (deviation <= 1e-7 * mean.abs().clamp(min=1)).nonzero().flatten().tolist():
            raise InputError(
                f"Column {flat[0]} of the particles as {self.coordinates} is {mean[flat[0]]:g} for "
                "all of them, expected a spread: leave the column out, or give scale."
            )
        self.shift.copy_(mean)
        self.width.copy_(deviation)
        self.learned.fill_(True)

    def __repr__(self) -> str:
        scale = "" if self.given is None else f", scale={list(self.given)}"
        return f"{type(self).__name__}({self.coordinates!r}{scale})"
