"""`Particles`: the columns of a batch, and momenta and positions that derive from them."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from pyg_jets import kinematics
from pyg_jets.ops.pointer import ptr_to_batch

__all__ = ["Particles"]


class Particles:
    """The columns of a batch and what derives from them, each computed once and only if asked."""

    def __init__(self, x: Tensor, ptr: Tensor, columns: tuple[str, ...], axis: str):
        self.x, self.ptr, self.columns, self.axis = x, ptr, columns, axis

    def column(self, name: str) -> Tensor:
        if name == "mass" and "mass" not in self.columns:
            return torch.zeros_like(self.x[:, 0])
        return self.x[:, self.columns.index(name)]

    @cached_property
    def momentum(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        names = ("pt", "eta", "phi", "mass")
        double = [self.column(name).double() for name in names]
        return kinematics.to_cartesian(*double)

    @cached_property
    def jet(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """pt, eta, phi, energy of each particle's jet."""
        total = kinematics.jet_sum(torch.stack(self.momentum, -1), self.ptr)
        pt, eta, phi, _ = kinematics.to_cylindrical(*total.unbind(-1))
        if self.axis == "origin":
            eta, phi = torch.zeros_like(eta), torch.zeros_like(phi)
            pt = kinematics.jet_sum(self.column("pt"), self.ptr)
        one = ptr_to_batch(self.ptr)
        return pt[one], eta[one], phi[one], total[one, 3]

    @cached_property
    def pos(self) -> Tensor:
        if self.axis == "origin":  # no need of the jet
            zero = torch.zeros_like(self.column("eta"))
            return kinematics.relative(self.column("eta"), self.column("phi"), zero, zero)
        _, eta, phi, _ = self.jet
        return kinematics.relative(self.column("eta"), self.column("phi"), eta, phi)
