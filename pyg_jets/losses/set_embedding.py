r"""A linear embedding of sets of particles, in which a distance tells two sets apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.losses.masks import ragged_of_mask
from pyg_jets.ops import segment_expand, segment_sum
from pyg_jets.ops.distances import check_finite

__all__ = ["SetEmbedding"]

#: Scales of the cosines: of ln pT, of η and φ, and of η and φ in the cosines weighted by pT.
_LN_PT, _ANGLES, _PT_ANGLES = (0.08, 2.0), (0.01, 0.4), (0.02, 0.3)
#: Share of each block in the squared distance of two draws, whatever its number of components.
_SHARES = {"n": 1.0, "cosines": 4.0, "pt": 1.0, "position": 0.5, "pt_r2": 0.5, "pt_cosines": 1.0}

#: A component whose spread is not above this does not vary.
_NO_SPREAD = 1e-12


class SetEmbedding(nn.Module):
    r"""A *linear* embedding of sets of particles, :math:`\varphi = \sum_i w_i f(x_i)`.

    The features of a particle of kind k at :math:`u = (\ln p_T, \eta, \phi)` are

    ==============  ===========================================================================
    ``n``           1 in the column of its kind
    ``cosines``     :math:`s_{km} \cos(\omega_m u + \alpha_m)` with random frequencies and signs
    ``pt``          :math:`p_T` in the column of its kind
    ``position``    :math:`p_T (\eta, \phi)`
    ``pt_r2``       :math:`p_T (\eta^2 + \phi^2)`, as the squared mass
    ``pt_cosines``  :math:`p_T \cos(\omega'_m (\eta, \phi) + \alpha'_m)`
    ==============  ===========================================================================

    Frequencies belong to scales from .08 to 2 in ln pT and from .01 to .4 in η and φ; a quarter of
    the cosines do not see pT, a quarter not the direction. Each feature is divided by its spread
    between two draws of a detector (:meth:`fit_scale`), so that the blocks have fixed shares of the
    squared distance of two such draws. Since the embedding is a sum, it costs time and memory
    linear in the particles, and the effect of a particle that is there or not is exact
    (:func:`~pyg_jets.losses.survival_change`). It tells two sets apart as far as its components do.

    Args:
        n_kinds: Number of kinds of particles, such as charged, photon, neutral hadron.
        cosines: Number of cosines.
        pt_cosines: Number of cosines weighted by pT.
        seed: Of the frequencies, phases and signs, which are buffers.

    Shapes:
        - **u:** ``[N, 3]``, ln of pT in GeV, η and φ (rad) relative to the jet;
          **kind:** ``[N]`` int64; **ptr:** ``[J + 1]``; **weight:** of particles, ``[N]``, 1 and 0
          for such that are there or not; **jet_pt:** a pT ``[J]`` in GeV, of which the features
          take shares, such as that of the jet at generator level
        - **output:** ``[J, D]``

    Attributes:
        totals: A matrix ``[D, T]`` that turns an embedding into counts, sums of pT and the moments,
            each over its spread; ``total_names`` are their names.
        fitted: Whether scales were fitted. Before, all spreads are 1.

    Examples:
        >>> embedding = SetEmbedding(n_kinds=2)
        >>> u, kind = torch.tensor([[2.0, 0.1, 0.0], [1.0, 0.0, 0.2]]), torch.tensor([0, 1])
        >>> phi = embedding(u, kind, torch.tensor([0, 2]))
        >>> phi.shape, embedding.total_names[:2]
        (torch.Size([1, 167]), ('n_0', 'n_1'))
    """

    frequency: Tensor
    phase: Tensor
    sign: Tensor
    pt_frequency: Tensor
    pt_phase: Tensor
    scale: Tensor
    totals: Tensor
    fitted: Tensor

    def __init__(
        self, n_kinds: int = 3, cosines: int = 128, pt_cosines: int = 32, seed: int = 5
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("n_kinds", n_kinds, 1),
            ("cosines", cosines, 0),
            ("pt_cosines", pt_cosines, 0),
        ):
            if value < least:
                raise InputError(f"Expected {name} of at least {least}, but got {value}.")
        self.n_kinds, self.cosines, self.pt_cosines, self.seed = n_kinds, cosines, pt_cosines, seed
        self.sizes = {
            "n": n_kinds,
            "cosines": cosines,
            "pt": n_kinds,
            "position": 2,
            "pt_r2": 1,
            "pt_cosines": pt_cosines,
        }
        generator = torch.Generator().manual_seed(seed)

        def frequencies(n: int, width: int, scales: tuple[float, float]) -> Tensor:
            low, high = (math.log(scale) for scale in scales)
            scale = (torch.rand(n, generator=generator) * (high - low) + low).exp()
            return torch.randn(width, n, generator=generator) / scale

        ln_pt = frequencies(cosines, 1, _LN_PT)
        angles = frequencies(cosines, 2, _ANGLES)
        ln_pt[:, ::4] = 0
        angles[:, 1::4] = 0
        turn = 2 * math.pi
        self.register_buffer("frequency", torch.cat((ln_pt, angles)))
        self.register_buffer("phase", turn * torch.rand(cosines, generator=generator))
        sign = torch.randint(0, 2, (n_kinds, cosines), generator=generator)
        self.register_buffer("sign", 2.0 * sign - 1)
        self.register_buffer("pt_frequency", frequencies(pt_cosines, 2, _PT_ANGLES))
        self.register_buffer("pt_phase", turn * torch.rand(pt_cosines, generator=generator))
        selected = self._total_columns()
        self.register_buffer("scale", self._shares())
        self.register_buffer("totals", selected / self.scale.unsqueeze(1))
        self.register_buffer("fitted", torch.tensor(False))

    @property
    def width(self) -> int:
        """Number of components ``D``."""
        return sum(self.sizes.values())

    @property
    def total_names(self) -> tuple[str, ...]:
        """Names of the columns of ``totals``: of single components, then of all kinds together."""
        kinds = [f"{what}_{k}" for what in ("n", "pt") for k in range(self.n_kinds)]
        return (*kinds, "pt_eta", "pt_phi", "pt_r2", "n", "pt")

    def _shares(self) -> Tensor:
        parts = [torch.full((n,), (_SHARES[b] / max(n, 1)) ** 0.5) for b, n in self.sizes.items()]
        return torch.cat(parts)

    def _total_columns(self) -> Tensor:
        """A matrix of 0 and 1 that adds up components without scales, ``[D, T]``."""
        k, skip = self.n_kinds, self.n_kinds + self.cosines
        rows = [*range(k), *range(skip, skip + k + 3)]
        columns = torch.zeros(self.width, len(rows) + 2)
        columns[rows, range(len(rows))] = 1
        columns[:k, -2] = 1
        columns[skip : skip + k, -1] = 1
        return columns

    def features(self, u: Tensor, kind: Tensor, pt_unit: Tensor | None = None) -> Tensor:
        """Features of each particle, ``[N, D]``, over their spreads: what an embedding sums.

        Args:
            u: ln pT (GeV), η and φ, ``[N, 3]``.
            kind: ``[N]`` int64.
            pt_unit: The pT of which a particle has a share, ``[N]``. Default: 1 GeV.
        """
        if u.dim() != 2 or u.size(1) != 3 or kind.shape != u.shape[:1]:
            raise InputError(
                f"Expected u [N, 3] as (ln pT, η, φ) and kind [N], but got {list(u.shape)} and "
                f"{list(kind.shape)}."
            )
        if len(kind) and u.device.type == "cpu":
            low, high = (int(v) for v in torch.aminmax(kind))
            if low < 0 or high >= self.n_kinds:
                wrong = low if low < 0 else high
                raise InputError(
                    f"Expected kinds from 0 to {self.n_kinds - 1}, but got {wrong}: "
                    f"SetEmbedding(n_kinds={high + 1}) knows more."
                )
        pt = u[:, 0].exp()
        pt = (pt if pt_unit is None else pt / pt_unit).unsqueeze(1)
        one = nn.functional.one_hot(kind, self.n_kinds).to(u.dtype)
        angles = u[:, 1:]
        waves = (u @ self.frequency.to(u) + self.phase.to(u)).cos() * self.sign.to(u)[kind]
        pt_waves = (angles @ self.pt_frequency.to(u) + self.pt_phase.to(u)).cos()
        r2 = angles.square().sum(1, keepdim=True)
        parts = (one, waves, pt * one, pt * angles, pt * r2, pt * pt_waves)
        return torch.cat(parts, 1) * self.scale.to(u)

    def forward(
        self,
        u: Tensor,
        kind: Tensor,
        ptr: Tensor,
        weight: Tensor | None = None,
        jet_pt: Tensor | None = None,
    ) -> Tensor:
        """The embeddings of ragged sets; an empty one is 0.

        Raises:
            InputError: If shapes do not fit together, a kind is unknown, or a coordinate is not
                finite (the jet is named).
        """
        check_finite(u, ptr)
        if jet_pt is not None and jet_pt.shape != (len(ptr) - 1,):
            raise InputError(
                f"Expected jet_pt [{len(ptr) - 1}], one a jet, but got {list(jet_pt.shape)}."
            )
        if weight is not None and weight.shape != u.shape[:1]:
            raise InputError(f"Expected {len(u)} weights, but got {list(weight.shape)}.")
        unit = None
        if jet_pt is not None:
            unit = segment_expand(jet_pt.to(u.dtype).unsqueeze(1), ptr, len(u)).squeeze(1)
        features = self.features(u, kind, unit)
        if weight is not None:
            features = features * weight.unsqueeze(1)
        return segment_sum(features, ptr)

    def masked(self, u: Tensor, kind: Tensor, mask: Tensor, jet_pt: Tensor | None = None) -> Tensor:
        """The embeddings of padded sets.

        Args:
            u: Particles, padded, ``[J, P, 3]``.
            kind: ``[J, P]``.
            mask: True for particles, ``[J, P]``.
            jet_pt: See the class.
        """
        particles, ptr = ragged_of_mask("u", u, mask)
        if kind.shape != mask.shape:
            raise InputError(f"Expected kind {list(mask.shape)}, but got {list(kind.shape)}.")
        return self(particles, kind[mask.bool()], ptr, jet_pt=jet_pt)

    @torch.no_grad()
    def fit_scale(
        self, first: tuple[Tensor, ...], second: tuple[Tensor, ...], jet_pt: Tensor | None = None
    ) -> None:
        r"""Fit the spread of each component, that of its difference over :math:`\sqrt{2}`.

        A component that is the same in both draws of all jets takes the median spread of its block,
        such as that of the other kinds for a kind that no jet has; a total that is the same is
        divided by 1.

        Args:
            first: ``(u, kind, ptr)`` of a draw of some thousand jets.
            second: The same jets, drawn again.
            jet_pt: ``[J]``, if the embedding will be called with it.

        Raises:
            InputError: For fewer than two jets, or draws of different jets.
        """
        shares, totals = self._shares().to(self.scale), self._total_columns().to(self.scale)
        self.scale.copy_(torch.ones_like(shares))
        raw = [self(*draw, jet_pt=jet_pt).double() for draw in (first, second)]
        if len(raw[0]) < 2 or len(raw[0]) != len(raw[1]):
            self.scale.copy_(shares)
            raise InputError(
                f"Expected two draws of the same two jets or more, but got {len(raw[0])} and "
                f"{len(raw[1])} jets."
            )
        change = raw[0] - raw[1]
        spread = torch.cat([_without_zeros(s) for s in _spread(change).split(self._split())])
        self.scale.copy_(shares / spread)
        total_spread = _spread(change @ totals.double())
        total_spread = torch.where(total_spread > _NO_SPREAD, total_spread, 1.0)
        self.totals.copy_(totals / (self.scale.unsqueeze(1) * total_spread))
        self.fitted.fill_(True)

    def _split(self) -> list[int]:
        return [n for n in self.sizes.values() if n]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(n_kinds={self.n_kinds}, cosines={self.cosines}, "
            f"pt_cosines={self.pt_cosines}, seed={self.seed})"
        )


def _spread(change: Tensor) -> Tensor:
    return change.std(0) / math.sqrt(2)


def _without_zeros(spread: Tensor) -> Tensor:
    """Spreads, and their median (1 if there is none) for such that are 0."""
    positive = spread[spread > _NO_SPREAD]
    return torch.where(spread > _NO_SPREAD, spread, positive.median() if len(positive) else 1.0)
