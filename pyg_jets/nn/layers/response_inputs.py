"""What a network of the detector's response reads of a particle, from named columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pyg_jets.columns import KINDS, check_names
from pyg_jets.errors import InputError
from pyg_jets.ops import ptr_to_batch, segment_sum
from pyg_jets.ops.kernel import kernel, use_inference_kernels

__all__ = ["Particles", "ResponseInputs", "hat_functions"]

_NEEDED = ("pt", "etarel", "phirel")
#: Least pT (GeV) that has a logarithm of its own.
_LEAST_PT = 1e-4


class Particles(NamedTuple):
    """Particles by what is known of each, ``[N]``, and of their jets.

    Args:
        pt: pT (GeV).
        pos: (η, φ) relative to the jet (rad), ``[N, 2]``.
        kind: Number of the kind, int64.
        eta: η, or ``None`` where it is not among the columns.
        phi: φ (rad), likewise.
        energy: E (GeV); without its own column that of a massless particle, ``None`` without η.
        charge: Charge, or ``None``.
        jet: Of the jet, the deviation of ln ΣpT from its mean, and \\|η\\| where it is known,
            ``[N, 1]`` or ``[N, 2]``.
    """

    pt: Tensor
    pos: Tensor
    kind: Tensor
    eta: Tensor | None
    phi: Tensor | None
    energy: Tensor | None
    charge: Tensor | None
    jet: Tensor


class ResponseInputs(nn.Module):
    r"""Columns of particles by their names, and the features that a network reads.

    Features are ln pT, η and φ relative to the jet and ln of the jet's ΣpT; with the columns
    ``eta``, also \|η\| of the particle and of its jet, and ln E; hat functions of ln pT and \|η\|,
    which let a small network follow the steps of a detector; and the kind.

    Args:
        columns: ``pt, etarel, phirel`` first; then any of ``eta``, ``phi`` (with ``eta``), ``e``
            (with ``eta``), ``charge`` and kinds such as ``isphoton``. Without kinds the charge, if
            it is there, makes two of them.

    Raises:
        ValueError: For other columns.

    Examples:
        >>> inputs = ResponseInputs(("pt", "etarel", "phirel", "charge"))
        >>> inputs.kinds
        ('charged', 'neutral')
        >>> inputs.read(torch.tensor([[9.0, 0.1, 0.1, 0.0]]), torch.tensor([0, 1])).kind
        tensor([1])
    """

    jet_mean: Tensor
    jet_std: Tensor

    def __init__(self, columns: Sequence[str] = _NEEDED) -> None:
        super().__init__()
        self.columns = check_names(
            columns, (*_NEEDED, "eta", "phi", "e", "charge", *KINDS), "column of a response"
        )
        at = {name: i for i, name in enumerate(self.columns)}
        if self.columns[:3] != _NEEDED or ({"phi", "e"} & at.keys() and "eta" not in at):
            raise InputError(
                f"Expected the columns {', '.join(_NEEDED)} first, and eta where phi or e is, but "
                f"got {', '.join(self.columns)}: name them so in Detect(names=…) as well."
            )
        self.at = at
        self.has_kinds = [name for name in self.columns if name in KINDS]
        self.kinds = tuple(self.has_kinds)
        if not self.kinds:
            self.kinds = ("charged", "neutral") if "charge" in at else ("particle",)
        self.register_buffer("jet_mean", torch.zeros(()))
        self.register_buffer("jet_std", torch.ones(()))
        # |η| up to 3.2 in steps of 0.1; ln pT in steps of one half from 0.14 to 665 GeV
        self.register_buffer("eta_hats", torch.arange(33) * 0.1, persistent=False)
        self.register_buffer("pt_hats", torch.arange(-4, 14) * 0.5, persistent=False)

    @property
    def n_features(self) -> int:
        """Number of features of a particle."""
        of_eta = 3 + len(self.get_buffer("eta_hats")) if "eta" in self.at else 0
        n_kinds = len(self.kinds) if len(self.kinds) > 1 else 0
        return 4 + len(self.get_buffer("pt_hats")) + of_eta + n_kinds

    def read(self, x: Tensor, ptr: Tensor) -> Particles:
        """The particles of jets by name.

        Args:
            x: ``[N, len(columns)]``.
            ptr: Ragged pointer ``[J + 1]``.

        Raises:
            ValueError: For another number of columns.
        """
        if x.dim() != 2 or x.size(1) != len(self.columns):
            raise InputError(
                f"Expected x [N, {len(self.columns)}] with the columns {', '.join(self.columns)}, "
                f"but got {list(x.shape)}: give Detect the same names as the network's columns."
            )
        at, pt = self.at, x[:, 0].clamp(min=_LEAST_PT)
        eta, phi, charge = (x[:, at[n]] if n in at else None for n in ("eta", "phi", "charge"))
        energy = x[:, at["e"]] if "e" in at else None
        if energy is None and eta is not None:
            energy = pt * eta.cosh()
        if self.has_kinds:
            kind = x[:, [at[name] for name in self.has_kinds]].argmax(1)
        elif charge is not None:
            kind = (charge == 0).long()
        else:
            kind = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        batch = ptr_to_batch(ptr, len(x))
        total = segment_sum(pt.unsqueeze(1), ptr).squeeze(1).clamp(min=_LEAST_PT).log()
        jet = [((total - self.jet_mean) / self.jet_std).clamp(-5, 5)[batch]]
        if eta is not None:
            jet.append((eta - x[:, 1]).abs())
        return Particles(pt, x[:, 1:3], kind, eta, phi, energy, charge, torch.stack(jet, 1))

    def features(self, particles: Particles, kind: Tensor) -> Tensor:
        """What a network reads of particles that are taken for a kind, ``[N, n_features]``."""
        eta, energy = particles.eta, particles.energy
        known = (particles.pt, particles.pos, particles.jet) + (() if eta is None else (eta,))
        if use_inference_kernels(*known):
            nothing = particles.pt.new_zeros(0)
            out = particles.pt.new_empty(len(kind), self.n_features)
            tensors = (
                *known[:3],
                nothing if eta is None else eta,
                nothing if energy is None else energy,
                kind,
                self.get_buffer("pt_hats"),
                self.get_buffer("eta_hats"),
                out,
            )
            _features_kernel(*(t.contiguous().numpy() for t in tensors), len(self.kinds) > 1)
            return out
        log_pt = particles.pt.log()
        parts = [(log_pt / 2).unsqueeze(1), 4 * particles.pos, particles.jet]
        parts.append(hat_functions(log_pt, self.get_buffer("pt_hats")))
        if particles.eta is not None and particles.energy is not None:
            eta = particles.eta.abs()
            parts += [(particles.energy.clamp(min=_LEAST_PT).log() / 2).unsqueeze(1)]
            parts += [eta.unsqueeze(1), hat_functions(eta, self.get_buffer("eta_hats"))]
        if len(self.kinds) > 1:
            parts.append(self.one_hot(kind, log_pt.dtype))
        return torch.cat(parts, 1)

    def one_hot(self, kind: Tensor, dtype: torch.dtype) -> Tensor:
        """Kinds as columns of 0 and 1, ``[N, K]``; unlike torch's, it reads no values."""
        return (kind.unsqueeze(1) == torch.arange(len(self.kinds), device=kind.device)).to(dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.columns)})"


def hat_functions(x: Tensor, knots: Tensor) -> Tensor:
    r"""Piecewise linear functions that are 1 at one of the knots, and 0 at all others.

    .. math::
        h_k(x) = \max(0, 1 - |x - x_k| / \Delta)

    Args:
        x: ``[N]``.
        knots: :math:`x_k` in steps of :math:`\Delta`, ``[K]``.

    Returns:
        ``[N, K]``.

    Examples:
        >>> hat_functions(torch.tensor([0.25]), torch.tensor([0.0, 1.0, 2.0]))
        tensor([[0.7500, 0.2500, 0.0000]])
    """
    return (1 - (x.unsqueeze(1) - knots).abs() / (knots[1] - knots[0])).clamp(min=0)


@kernel(error_model="numpy")
def _features_kernel(pt, pos, jet, eta, energy, kind, pt_hats, eta_hats, out, has_kinds):
    """Features of each particle, in the order of :meth:`ResponseInputs.features`."""
    least = np.float32(_LEAST_PT)
    for i in range(len(kind)):
        log_pt = np.log(pt[i])
        out[i] = 0
        out[i, 0] = log_pt / np.float32(2)
        out[i, 1], out[i, 2] = np.float32(4) * pos[i, 0], np.float32(4) * pos[i, 1]
        at = 3
        for j in range(jet.shape[1]):
            out[i, at] = jet[i, j]
            at += 1
        _put_hats(log_pt, pt_hats, out[i], at)
        at += len(pt_hats)
        if len(eta):
            out[i, at] = np.log(max(energy[i], least)) / np.float32(2)
            out[i, at + 1] = abs(eta[i])
            _put_hats(abs(eta[i]), eta_hats, out[i], at + 2)
            at += 2 + len(eta_hats)
        if has_kinds:
            out[i, at + kind[i]] = 1


@kernel(error_model="numpy")
def _put_hats(x, knots, out, at):
    """The hat functions that are not 0, two at most."""
    step = knots[1] - knots[0]
    below = int(min(max(np.floor((x - knots[0]) / step), np.float32(-2)), np.float32(len(knots))))
    for k in range(max(below - 1, 0), min(below + 3, len(knots))):
        out[at + k] = max(np.float32(1) - abs(x - knots[k]) / step, np.float32(0))
