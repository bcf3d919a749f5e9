r"""The steps of a detector's response to the particles of a jet: fate, merging, smearing."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_jets.nn.layers.cell_lattice import CellLattice
from pyg_jets.nn.layers.mlp import MLP
from pyg_jets.nn.layers.response_inputs import Particles, ResponseInputs
from pyg_jets.nn.layers.response_links import (
    UNDISPLACED,
    Links,
    match_particles,
    merged_with,
    rows_where,
)
from pyg_jets.nn.layers.sinh_arcsinh import information, log_probability, sinh_arcsinh
from pyg_jets.ops import nearest_harder, ptr_to_batch

__all__ = ["OF_PAIR", "Draw", "Pairs", "ResponseSteps"]

#: Rounds that follow a chain of merged particles to its end.
_ROUNDS = 8
#: Angles are in units of this many rad.
_ANGLE = 0.02
#: Steepness of the exponent α, whose few per cent a wide smearing hides, and of the logit of
#: survival: one hard cluster of 500 that is lost is a tenth of the variance of a jet's pT.
_EXPONENT_SCALE, _SURVIVAL_SCALE = 10.0, 4.0
#: Number of what a pair of a GEN particle and its match says.
OF_PAIR = 8


class Draw(NamedTuple):
    """RECO particles that a network draws, with those that it drew as not seen.

    Args:
        points: (ln pT, η, φ) relative to the jet, with a gradient, ``[R, 3]``.
        kind: Kind of each, ``[R]`` int64.
        ptr: Ragged pointer ``[J + 1]``.
        survival: Probability that each is seen, ``[R]``.
        seen: Whether it was drawn as seen, ``[R]`` bool.
        row: Row of the GEN particle that each comes from, ``[R]``.
        log_prob: ln of the probability of the merging and the fates that were drawn, ``[J]``; 0
            where no gradient is recorded.
    """

    points: Tensor
    kind: Tensor
    ptr: Tensor
    survival: Tensor
    seen: Tensor
    row: Tensor
    log_prob: Tensor


class Clusters(NamedTuple):
    """Particles that are measured as one, by the hardest of them; features where they change."""

    row: Tensor
    ptr: Tensor
    kind: Tensor
    changed: Tensor
    changed_features: Tensor
    offset: Tensor
    log_pt: Tensor
    log_energy: Tensor | None
    place: Tensor
    eta: Tensor | None


class _Measured(NamedTuple):
    """What the trunk says of each cluster."""

    survival: Tensor
    undisplaced: Tensor
    mean: Tensor
    log_sigma: Tensor
    skewness: Tensor
    log_tail: Tensor


class Pairs(NamedTuple):
    """What matching says: of GEN particles ``[N]``, then of clusters ``[R]``."""

    links: Links
    kind: Tensor
    place: Tensor
    parent: Tensor
    merged: Tensor
    known: Tensor
    clusters: Clusters
    reco_row: Tensor
    seen: Tensor
    undisplaced: Tensor
    features: Tensor


class ResponseSteps(nn.Module):
    """Fate, merging, survival and smearing of particles, drawn or by their likelihood.

    Args:
        inputs: What is read of a particle.
        lattice: The cells of each kind, as far as they are given.
        latent: Numbers that all particles of a jet have in common.
        hidden: Width of the layers.
        layers: Number of layers of the trunk.
        tails: Largest ln τ of the smearing.
    """

    of_wrong: Tensor
    tolerance: Tensor
    other_kind: Tensor
    merges: Tensor

    def __init__(
        self,
        inputs: ResponseInputs,
        lattice: CellLattice,
        latent: int,
        hidden: int,
        layers: int,
        tails: float,
    ) -> None:
        super().__init__()
        self.inputs, self.lattice, self.tails = inputs, lattice, tails
        kinds, features = len(inputs.kinds), inputs.n_features
        of_eta = 2 * ("eta" in inputs.at)
        self.fate = MLP(features + latent, (hidden // 2,) * 2, 1, "silu")
        self.merging = MLP(6 + kinds + of_eta + latent, (hidden // 2,) * 2, 1, "silu")
        self.trunk = MLP(features + 3 + latent, (hidden,) * layers, None, "silu")
        # survival, no displacement; mean, ln σ, s, ln τ of: ln pT without displacement, ln pT, η, φ
        self.heads = nn.Linear(hidden, 18)
        reads_energy = {"e", "eta"} <= set(inputs.at)
        self.exponent = nn.Parameter(torch.zeros(kinds), requires_grad=reads_energy)
        self.wrong = nn.Parameter(torch.zeros(kinds))
        self.register_buffer("of_wrong", torch.tensor([1.0, 1.0, 2.0, 2.0]), persistent=False)
        self.register_buffer("tolerance", torch.full((kinds, 2), 0.05))
        self.register_buffer("other_kind", torch.full((kinds,), -1))
        self.register_buffer("merges", torch.ones(kinds, dtype=torch.bool))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights again; at first the response is a narrow log-normal about the input."""
        for part in (self.fate, self.merging, self.trunk, self.heads):
            part.reset_parameters()
        with torch.no_grad():
            self.heads.weight[2:].zero_()
            self.heads.weight[0].div_(_SURVIVAL_SCALE)
            self.heads.bias.zero_()
            self.heads.bias[[0, 6, 7, 8, 9]] = torch.tensor([0.4, -2, -2, -1, -1])
            self.exponent.zero_()
            self.wrong.fill_(-4.0)  # log-odds of a wrong match

    def place(self, gen: Particles, kind: Tensor) -> tuple[Tensor, Tensor]:
        """Where a particle is expected as a kind ``[N, 2]``; offset to it, whether in a cell."""
        if not self.lattice.cells or gen.eta is None or gen.phi is None:
            return gen.pos, gen.pos.new_zeros(len(kind), 3)
        eta, phi, inside = self.lattice(kind, gen.eta, gen.phi)
        offset = torch.stack((eta, phi, 0.05 * inside), 1)
        return gen.pos + offset[:, :2], offset / 0.05

    def kind_of_fate(self, kind: Tensor, keeps_kind: Tensor) -> Tensor:
        other = self.other_kind[kind]
        return torch.where(keeps_kind | (other < 0), kind, other)

    def match(self, gen: Particles, ptr: Tensor, reco: Particles, reco_ptr: Tensor) -> Links:
        kinds: tuple[Tensor, ...] = (gen.kind, self.other_kind[gen.kind])
        if not bool((self.other_kind >= 0).any()):
            kinds = kinds[:1]
        places = [(kind, self.place(gen, kind)[0]) for kind in kinds]
        return match_particles(gen, ptr, reco, reco_ptr, places, self.tolerance)

    def parents(self, gen: Particles, kind: Tensor, place: Tensor, ptr: Tensor) -> Tensor:
        """The nearest harder particle of the same fate, between the places of both."""
        harder_by = gen.pt if gen.energy is None else gen.energy
        group = torch.where(self.merges[kind], kind, -1)
        return nearest_harder(place, harder_by, group, ptr)

    def _fate_logits(self, features: Tensor, rows: Tensor, z: Tensor) -> Tensor:
        first: Any = self.fate.layers[0]
        n = features.size(1)
        hidden = F.linear(features, first.weight[:, :n], first.bias).index_select(0, rows)
        hidden = hidden + F.linear(z.index_select(0, rows), first.weight[:, n:])
        return self.fate.layers[1:](hidden).squeeze(1)

    def _merging_logits(
        self, gen: Particles, kind: Tensor, place: Tensor, parent: Tensor, rows: Tensor, z: Tensor
    ) -> Tensor:
        """Logits of being merged into the nearest harder particle, of some rows."""
        into = parent[rows]
        at, of_parent = place.index_select(0, rows), place.index_select(0, into)
        away = (at - of_parent).abs()
        parts = [((away + 0.004).log() + 3.5) / 1.5, 20 * away.clamp(max=0.2)]
        parts += [torch.stack((gen.pt[rows], gen.pt[into]), 1).log() / 2]
        if gen.eta is not None:
            parts.append(torch.stack((gen.eta[rows].abs(), gen.eta[into].abs()), 1))
        parts += [self.inputs.one_hot(kind[rows], z.dtype), z[rows]]
        return self.merging(torch.cat(parts, 1)).squeeze(1)

    def _clusters(
        self,
        gen: Particles,
        kind: Tensor,
        place: tuple[Tensor, Tensor],
        parent: Tensor,
        merged: Tensor,
        ptr: Tensor,
    ) -> Clusters:
        """Sum merged particles where the hardest of each chain is."""
        own = torch.arange(len(parent), device=parent.device)
        root = torch.where(merged, parent, own)
        joined = merged.nonzero().squeeze(1)
        into = root[joined]
        for _ in range(_ROUNDS):
            into = root[into]
        pt = gen.pt.index_add(0, into, gen.pt[joined])
        energy = gen.energy
        if energy is not None:
            energy = energy.index_add(0, into, energy[joined])
        row, rows_ptr = rows_where(~merged, ptr)
        changed = (kind != gen.kind).index_fill(0, into, True)[row].nonzero().squeeze(1)
        summed = gen._replace(pt=pt, energy=energy)
        fresh = row[changed]
        at = place[0][row]
        return Clusters(
            row,
            rows_ptr,
            kind[row],
            changed,
            self.inputs.features(_take(summed, fresh), kind[fresh]),
            place[1][row],
            pt[row].log(),
            None if energy is None else energy[row].clamp(min=1e-4).log(),
            at,
            None if gen.eta is None else (gen.eta - gen.pos[:, 0])[row] + at[:, 0],
        )

    def _measure(self, features: Tensor, clusters: Clusters, z: Tensor) -> _Measured:
        first: Any = self.trunk.layers[0]
        n = features.size(1)
        of_features = F.linear(features, first.weight[:, :n]).index_select(0, clusters.row)
        changed = F.linear(clusters.changed_features, first.weight[:, :n])
        others = torch.cat((clusters.offset, z.index_select(0, clusters.row)), 1)
        hidden = of_features.index_copy(0, clusters.changed, changed)
        hidden = hidden + F.linear(others, first.weight[:, n:], first.bias)
        hidden = self.trunk.layers[1:](hidden)
        chances, mean, *shape = self.heads(hidden).split((2, 4, 4, 4, 4), 1)
        limits = ((-6, 2), (-2, 2), (-1, self.tails))
        shape = [v.clamp(*limit) for v, limit in zip(shape, limits, strict=True)]
        return _Measured(_SURVIVAL_SCALE * chances[:, 0], chances[:, 1], mean, *shape)

    def _expected_log_pt(self, clusters: Clusters, eta_shift: Tensor) -> Tensor:
        """ln pT about which a cluster is measured, at a displacement in η."""
        if clusters.log_energy is None or clusters.eta is None:
            return clusters.log_pt
        alpha = (_EXPONENT_SCALE * self.exponent).sigmoid()[clusters.kind]
        by_energy = clusters.log_energy - (clusters.eta + eta_shift).cosh().log()
        return clusters.log_pt + alpha * (by_energy - clusters.log_pt)

    def draw(
        self,
        gen: Particles,
        features: Tensor,
        ptr: Tensor,
        z: Tensor,
        generator: torch.Generator | None = None,
    ) -> Draw:
        """Fate, merging, survival and smearing of each particle, drawn one after the other."""
        batch = ptr_to_batch(ptr, len(gen.pt))
        log_prob = torch.zeros(len(ptr) - 1, device=ptr.device)
        uniform = torch.rand(3, len(gen.pt), generator=generator, device=ptr.device)
        keeps_kind = torch.ones_like(gen.kind, dtype=torch.bool)
        rows = (self.other_kind[gen.kind] >= 0).nonzero().squeeze(1)
        if len(rows):
            logits = self._fate_logits(features, rows, z)
            drawn = uniform[0, rows] < logits.sigmoid()
            keeps_kind = keeps_kind.index_put((rows,), drawn)
            if logits.requires_grad:
                log_prob = log_prob.index_add(0, batch[rows], log_probability(logits, drawn))
        kind = self.kind_of_fate(gen.kind, keeps_kind)
        place = self.place(gen, kind)
        parent = self.parents(gen, kind, place[0], ptr)
        merged = torch.zeros_like(keeps_kind)
        rows = (parent != torch.arange(len(parent), device=ptr.device)).nonzero().squeeze(1)
        if len(rows):
            logits = self._merging_logits(gen, kind, place[0], parent, rows, z)
            drawn = uniform[1, rows] < logits.sigmoid()
            merged = merged.index_put((rows,), drawn)
            if logits.requires_grad:
                log_prob = log_prob.index_add(0, batch[rows], log_probability(logits, drawn))
        clusters = self._clusters(gen, kind, place, parent, merged, ptr)
        measured = self._measure(features, clusters, z)
        n = len(clusters.row)
        normal = torch.randn(n, 4, generator=generator, device=ptr.device)
        shift = sinh_arcsinh(normal, measured.skewness, measured.log_tail)
        shift = measured.mean + measured.log_sigma.exp() * shift
        undisplaced = (
            torch.rand(n, generator=generator, device=ptr.device) < measured.undisplaced.sigmoid()
        )
        angles = torch.where(undisplaced.unsqueeze(1), 0.0, _ANGLE * shift[:, 2:])
        log_pt = self._expected_log_pt(clusters, angles[:, 0])
        log_pt = log_pt + torch.where(undisplaced, shift[:, 0], shift[:, 1]).clamp(-4, 4)
        survival = measured.survival.sigmoid()
        return Draw(
            torch.cat((log_pt.unsqueeze(1), clusters.place + angles), 1),
            clusters.kind,
            clusters.ptr,
            survival,
            uniform[2, clusters.row] < survival,
            clusters.row,
            log_prob,
        )

    @torch.no_grad()
    def pairs(
        self, gen: Particles, features: Tensor, ptr: Tensor, reco: Particles, reco_ptr: Tensor
    ) -> Pairs:
        """What the matching to RECO says of each particle, and of each cluster."""
        links = self.match(gen, ptr, reco, reco_ptr)
        kind = self.kind_of_fate(gen.kind, links.keeps_kind)
        place = self.place(gen, kind)
        parent = self.parents(gen, kind, place[0], ptr)
        merged, known = merged_with(links.reco, parent)
        clusters = self._clusters(gen, kind, place, parent, merged, ptr)
        # a RECO particle is the response of the hardest cluster in it
        reco_row = links.reco[clusters.row]
        order = clusters.log_pt.argsort()
        cluster_of_reco = torch.full((len(reco.kind) + 1,), -1, device=ptr.device)
        cluster_of_reco[reco_row[order]] = order
        seen = (reco_row >= 0) & (
            cluster_of_reco[reco_row] == torch.arange(len(reco_row), device=ptr.device)
        )
        away = clusters.place.new_zeros(len(reco_row), 3)
        rows = seen.nonzero().squeeze(1)
        away[rows, 1:] = reco.pos[reco_row[rows]] - clusters.place[rows]
        away[rows, 0] = (
            reco.pt[reco_row[rows]].log() - self._expected_log_pt(clusters, away[:, 1])[rows]
        )
        undisplaced = seen & (away[:, 1:].abs().amax(1) < UNDISPLACED) if len(reco_row) else seen
        of_gen = gen.pos.new_zeros(len(gen.pt), OF_PAIR)
        # the size of a deviation of ln pT tells a resolution, 1 % or 50 %
        size = ((away[:, 0].abs() + 1e-3).log() + 4) * seen
        of_cluster = torch.stack((seen, undisplaced, size), 1).to(of_gen.dtype)
        scaled = (away / away.new_tensor([0.2, _ANGLE, _ANGLE])).clamp(-5, 5)
        of_gen[clusters.row, :6] = torch.cat((of_cluster, scaled), 1)
        of_gen[:, 6:] = torch.stack((links.keeps_kind, merged), 1).to(of_gen.dtype)
        return Pairs(
            links,
            kind,
            place[0],
            parent,
            merged,
            known,
            clusters,
            reco_row,
            seen,
            undisplaced,
            of_gen,
        )

    def likelihood(
        self,
        gen: Particles,
        features: Tensor,
        ptr: Tensor,
        reco: Particles,
        pairs: Pairs,
        z: Tensor,
    ) -> dict[str, Tensor]:
        """Negative ln of the likelihood of each step, summed over the particles of each jet."""
        batch, n_jets = ptr_to_batch(ptr, len(gen.pt)), len(ptr) - 1

        def of_jets(values: Tensor, rows: Tensor) -> Tensor:
            return values.new_zeros(n_jets).index_add(0, batch[rows], values)

        rows = (self.other_kind[gen.kind] >= 0).nonzero().squeeze(1)
        terms = {
            "fate": of_jets(
                -log_probability(
                    self._fate_logits(features, rows, z), pairs.links.keeps_kind[rows]
                ),
                rows,
            )
        }
        rows = pairs.known.nonzero().squeeze(1)
        logits = self._merging_logits(gen, pairs.kind, pairs.place, pairs.parent, rows, z)
        terms["merging"] = of_jets(-log_probability(logits, pairs.merged[rows]), rows)
        clusters = pairs.clusters
        measured = self._measure(features, clusters, z)
        terms["survival"] = of_jets(-log_probability(measured.survival, pairs.seen), clusters.row)
        rows = pairs.seen.nonzero().squeeze(1)
        reco_row, undisplaced = pairs.reco_row[rows], pairs.undisplaced[rows]
        angles = (reco.pos[reco_row] - clusters.place[rows]).masked_fill(
            undisplaced.unsqueeze(1), 0.0
        )
        shift = torch.zeros_like(clusters.log_pt).index_put((rows,), angles[:, 0])
        log_pt = reco.pt[reco_row].log() - self._expected_log_pt(clusters, shift)[rows]
        wanted = torch.cat((log_pt.unsqueeze(1).expand(-1, 2), angles / _ANGLE), 1)
        mean, log_sigma, skewness, log_tail = (v[rows] for v in measured[2:])
        pull = (wanted - mean) * (-log_sigma).exp()
        each = log_sigma + information(pull, skewness, log_tail)
        # of a wrong match ln pT and angles are broad: it must not widen what is drawn
        broad = 0.5 * (wanted / self.of_wrong).square() + self.of_wrong.log()
        right, wrong = (torch.where(undisplaced, v[:, 0], v[:, 1:].sum(1)) for v in (each, broad))
        log_odds = self.wrong[clusters.kind[rows]]
        smearing = -torch.logaddexp(F.logsigmoid(-log_odds) - right, F.logsigmoid(log_odds) - wrong)
        smearing = smearing - log_probability(measured.undisplaced[rows], undisplaced)
        terms["smearing"] = of_jets(smearing, clusters.row[rows])
        return terms


def _take(particles: Particles, rows: Tensor) -> Particles:
    return Particles(*(None if v is None else v[rows] for v in particles))  # type: ignore[arg-type]
