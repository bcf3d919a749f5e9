r"""Jets particle by particle, the hardest first, with a likelihood that can be computed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from pyg_jets.errors import InputError
from pyg_jets.nn.layers.canonical_frame import canonical_frame, random_frames, to_frame
from pyg_jets.nn.layers.jet_globals import JetGlobals, jet_globals
from pyg_jets.nn.layers.jet_momentum import jet_momenta, match_jet_momentum
from pyg_jets.nn.layers.mixture_prior import MixturePrior
from pyg_jets.nn.models.vae import check_finite_jets
from pyg_jets.ops import counts_to_ptr, ptr_to_batch, segment_topk

__all__ = ["AutoregressiveJets", "Likelihood"]

#: The least pT (GeV), and the least ratio of two logarithms of pT, that there are.
_LEAST_PT, _LEAST_STEP = 1e-3, 1e-6
#: Limits of ln σ of a Gaussian, in units of standardised coordinates.
_LOG_WIDTHS = (-7.0, 2.0)
#: A particle lies within this many rad of the axis, for sampled ones.
_MOST_ANGLE = 1.2


class Likelihood(NamedTuple):
    """How probable jets are.

    Args:
        log_prob: ln p of each jet's particles given its globals, in nats, ``[J]``.
        x: The jets, ``[N, 3]``.
        ptr: Their pointer ``[J + 1]``.
    """

    log_prob: Tensor
    x: Tensor
    ptr: Tensor


class AutoregressiveJets(nn.Module):
    r"""A recurrent network that draws the particles of a jet one after the other.

    .. math::
        p(x_1 \dots x_n \mid g) = \prod_i \sum_k w_{ik}\, \mathcal{N}(u_i; \mu_{ik}, \sigma_{ik})
        \left|\frac{\partial u_i}{\partial (\ln p_{T,i}, \eta_i, \phi_i)}\right|, \quad
        u_i = \Big(\ln \ln \frac{p_{T,i-1}}{p_{T,i}}, \eta_i, \phi_i\Big)

    Particles are ordered by pT in the canonical frame of the jet; the pT of the jet stands for that
    before the first one. The weights, means and widths are functions of the state of a GRU that has
    read the particles before, of what of the jet's pT, axis and mass is left, and of the globals g:
    pT, mass and multiplicity, which have a mixture of their own for each class, fitted before the
    training. Some of the Gaussians are centred on earlier particles, the *anchors*, since particles
    come close to others.

    The map from (ln pT, η, φ) to u is invertible for falling pT, so that the likelihood is exact: a
    density in :math:`\prod_i d\ln p_{T,i}\, d\eta_i\, d\phi_i` (rad) of the ordered particles of a
    jet in its canonical frame, given its globals. (Of jets as sets it would be n! times larger, in
    any frame smaller by the 4π of rotations and reflections.) Ratios of equal pT count as 1 + 1e-6.

    Args:
        hidden: Width of the GRU and of the layers about it.
        components: Gaussians of a particle.
        anchors: How many of these are centred on the hardest particles.
        max_particles: The largest multiplicity.
        n_classes: Number of classes, if jets are asked for by class.

    Shapes:
        - **x:** (pT in GeV, η, φ) relative to the jets' axes, ``[N, 3]``, **ptr:** ``[J + 1]``,
          **y:** ``[J]``
        - **output:** a :class:`Likelihood`

    Examples:
        >>> x = torch.rand(80, 3) + torch.tensor([1.0, -0.5, -0.5])
        >>> ptr = torch.arange(0, 81, 4)
        >>> model = AutoregressiveJets(hidden=8, components=4, anchors=2)
        >>> from torch_geometric.data import Batch
        >>> model.fit_statistics([Batch(x=x, ptr=ptr)])
        >>> model(x, ptr).log_prob.shape
        torch.Size([20])
        >>> x, ptr = model.sample(5)
        >>> x.shape
        torch.Size([20, 3])
    """

    #: Jets are made out of noise.
    from_gen = False
    #: Particles are (pT, η, φ), whose sum is a jet.
    physical = True

    shift: Tensor
    width: Tensor
    multiplicity_range: Tensor

    def __init__(
        self,
        hidden: int = 128,
        components: int = 20,
        anchors: int = 12,
        max_particles: int = 150,
        n_classes: int = 0,
    ) -> None:
        super().__init__()
        numbers = {"hidden": hidden, "components": components, "max_particles": max_particles}
        for name, value in numbers.items():
            if value < 1:
                raise InputError(f"Expected {name} of at least 1, but got {value}.")
        if not 0 <= anchors < components:
            raise InputError(
                f"Expected anchors from 0 to below components={components}, but got {anchors}: "
                "the first particle has no anchor."
            )
        self.hidden, self.components, self.anchors = hidden, components, anchors
        self.max_particles, self.n_classes = max_particles, n_classes
        self.conditions = JetGlobals()
        self.mixture = MixturePrior(0, 1, n_classes, 3, integers=(2,))
        self.read = nn.Linear(9 + 3 + n_classes, hidden)
        self.gru = nn.GRU(hidden, hidden)
        self.write = nn.Sequential(
            nn.Linear(2 * hidden, 2 * hidden), nn.ReLU(), nn.Linear(2 * hidden, components * 7)
        )
        self.register_buffer("shift", torch.zeros(3))
        self.register_buffer("width", torch.ones(3))
        self.register_buffer("multiplicity_range", torch.tensor([0, max_particles]))

    @torch.no_grad()
    def fit_statistics(self, batches: Iterable[Any]) -> None:
        """Learn scales, and the distribution of the globals, from batches of training jets.

        Raises:
            InputError: If a jet has more than ``max_particles``, or there are fewer jets of a class
                than the 20 Gaussians of the globals.
        """
        parts: dict[str, list[Tensor]] = {"u": [], "globals": [], "y": [], "weight": []}
        for batch in batches:
            x, ptr = self._ordered(batch.x, batch.ptr)
            of_jets = jet_globals(x, ptr)
            parts["globals"].append(of_jets)
            parts["u"].append(_coordinates(x, ptr, of_jets))
            for name in ("y", "weight"):
                if batch.get(name) is not None:
                    parts[name].append(batch[name].flatten())
        of_jets, u = torch.cat(parts["globals"]), torch.cat(parts["u"]).double()
        most = int(of_jets[:, 2].max())
        if most > self.max_particles:
            raise InputError(
                f"A training jet has {most} particles, expected at most max_particles="
                f"{self.max_particles}: raise that, or cut the jets."
            )
        self.multiplicity_range.copy_(
            torch.stack((of_jets[:, 2].min(), of_jets[:, 2].max())).long()
        )
        self.shift.copy_(u.mean(0))
        self.width.copy_(u.std(0, unbiased=False).clamp(min=1e-6))
        self.conditions.fit_statistics([of_jets])
        y = torch.cat(parts["y"]) if self.n_classes and parts["y"] else None
        weight = torch.cat(parts["weight"]) if parts["weight"] else None
        nothing = torch.zeros(len(of_jets), 0)
        self.mixture.fit(nothing, nothing, y, of_jets, weight)

    def encode(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """No latent: two tensors ``[J, 0]``."""
        check_finite_jets(x, ptr, "input")
        return (x.new_zeros(len(ptr) - 1, 0),) * 2

    def forward(
        self,
        x: Tensor,
        ptr: Tensor,
        target: Tensor | None = None,
        target_ptr: Tensor | None = None,
        y: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Likelihood:
        """How probable the jets are, or the targets where there are any."""
        if target is not None and target_ptr is not None:
            x, ptr = target, target_ptr
        return Likelihood(self.log_prob(x, ptr, y), x, ptr)

    def log_prob(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> Tensor:
        """ln p of the particles of each jet given its globals, in nats, ``[J]``.

        Args:
            x: Particles ``[N, 3]``.
            ptr: Their pointer ``[J + 1]``.
            y: Classes ``[J]``, if the network has classes.
        """
        check_finite_jets(x, ptr, "input")
        x, ptr = self._ordered(x, ptr)
        return self._log_prob_ordered(x, ptr, jet_globals(x, ptr), y)

    def _log_prob_ordered(
        self, x: Tensor, ptr: Tensor, of_jets: Tensor, y: Tensor | None
    ) -> Tensor:
        """ln p of particles by falling pT, in the frames of their jets, given these globals."""
        n = ptr.diff()
        jet = ptr_to_batch(ptr, len(x))
        place = torch.arange(len(x), device=x.device) - ptr[jet]
        u = _coordinates(x, ptr, of_jets)
        unit = (u - self.shift) / self.width
        # what a step reads: the particle before, and the sums of all particles before
        before = torch.where(place.unsqueeze(1) > 0, x.roll(1, 0), 0.0)
        sums = _moments(x).cumsum(0)
        sums = torch.cat((sums.new_zeros(1, 4), sums))
        sums = (sums[:-1] - sums[ptr[:-1]][jet]).to(x.dtype)
        conditions = self._conditions(of_jets, y)
        read = F.relu(self.read(self._features(before, sums, of_jets[jet], conditions[jet], place)))
        state = self._recur(read, n, jet, place)
        anchors = self._anchors(unit[:, 1:], ptr, jet, place)
        log_weight, mean, log_width = self._mixture(state, read, anchors, place)
        apart = (unit.unsqueeze(1) - mean) * (-log_width).exp()
        terms = -0.5 * apart.square() - log_width - 0.5 * math.log(2 * math.pi)
        each = (log_weight + terms.sum(2)).logsumexp(1) - self.width.log().sum()
        # d ln ln(p / p') / d ln p' = 1 / ln(p / p'), and u_0 is the logarithm of that
        each = each - u[:, 0]
        return each.new_zeros(len(n)).index_add(0, jet, each)

    def bits_per_jet(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> Tensor:
        """-log₂ p of the particles of each jet given its globals, ``[J]``, see the class."""
        return -self.log_prob(x, ptr, y) / math.log(2)

    @staticmethod
    def _ordered(x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
        """Jets in their frames, by falling pT."""
        x = to_frame(x, ptr, canonical_frame(x, ptr))
        rows, _ = segment_topk(x[:, 0], ptr, max(int(ptr.diff().max()), 1) if len(ptr) > 1 else 1)
        return x[rows], ptr

    def _conditions(self, of_jets: Tensor, y: Tensor | None) -> Tensor:
        conditions = self.conditions(of_jets)
        if not self.n_classes:
            return conditions
        if y is None or y.numel() != len(of_jets):
            got = "none" if y is None else f"{y.numel()}"
            raise InputError(f"Expected a class of each of {len(of_jets)} jets, but got {got}.")
        one_hot = F.one_hot(y.flatten().long(), self.n_classes).to(conditions)
        return torch.cat((conditions, one_hot), 1)

    @staticmethod
    def _features(
        before: Tensor, sums: Tensor, of_jets: Tensor, conditions: Tensor, place: Tensor
    ) -> Tensor:
        """What is read before a particle is drawn: the one before, and what is left of the jet."""
        pt, mass, n = of_jets.unbind(1)
        pt = pt.clamp(min=_LEAST_PT)
        mass = mass.clamp(min=_LEAST_PT)
        left = (1 - sums[:, 0] / pt).clamp(-1, 1)
        squared = (sums[:, 0] * sums[:, 3] - sums[:, 1].square() - sums[:, 2].square()) / mass**2
        remain = n - place
        share = (left.clamp(min=1e-4) / remain.clamp(min=1) * 30).log() / 2
        columns = (
            (before[:, 0] / pt * 30).clamp(min=1e-5).log() / 2,
            before[:, 1] * 5, before[:, 2] * 5, left,
            (sums[:, 1] / mass).clamp(-5, 5), (sums[:, 2] / mass).clamp(-5, 5),
            squared.clamp(-5, 5), remain / 15, share,
        )  # fmt: skip
        return torch.cat((torch.stack(columns, 1), conditions), 1)

    def _recur(self, read: Tensor, n: Tensor, jet: Tensor, place: Tensor) -> Tensor:
        """States of the GRU at each particle, of sequences packed without padding."""
        if not len(read):
            return read
        rank = n.argsort(descending=True, stable=True).argsort()
        order = (place * len(n) + rank[jet]).argsort()
        sizes = torch.bincount(place.cpu())
        out, _ = self.gru(PackedSequence(read[order], sizes))
        state = torch.empty_like(read)
        return state.index_copy(0, order, out.data)

    def _anchors(self, position: Tensor, ptr: Tensor, jet: Tensor, place: Tensor) -> Tensor:
        """Standardised positions of the hardest particles before each, ``[N, A, 2]``."""
        number = torch.arange(self.anchors, device=position.device)
        rows = ptr[jet].unsqueeze(1) + torch.minimum(number, place.unsqueeze(1))
        return position[rows]

    def _mixture(
        self, state: Tensor, read: Tensor, anchors: Tensor, place: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """ln weights ``[N, K]``, means and ln widths ``[N, K, 3]`` of the next particle."""
        out = self.write(torch.cat((state, read), 1)).view(len(state), self.components, 7)
        number = torch.arange(self.components, device=out.device)
        later = (number < self.anchors) & (number >= place.unsqueeze(1))
        log_weight = out[..., 0].masked_fill(later, -torch.inf).log_softmax(1)
        near = 0.3 * out[:, : self.anchors, 2:4] + anchors
        position = torch.cat((near, out[:, self.anchors :, 2:4]), 1)
        mean = torch.cat((out[..., 1:2], position), 2)
        return log_weight, mean, (out[..., 4:7] - 1).clamp(*_LOG_WIDTHS)

    @torch.no_grad()
    def sample(
        self,
        n_jets: int,
        condition: Tensor | None = None,
        n: Tensor | None = None,
        generator: torch.Generator | None = None,
        match: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Jets out of noise, turned and reflected at random.

        All jets are drawn together; a jet that is complete takes part no more.

        Args:
            n_jets: How many.
            condition: The class of each ``[n_jets]``, if the network has classes.
            n: How many particles each is to have ``[n_jets]``. Default: drawn.
            generator: Of all draws.
            match: Whether the four-momentum is matched to the pT and mass that were drawn.

        Raises:
            InputError: If there are no statistics yet, a class was not trained, or no training jet
                had this number of particles.
        """
        if not self.mixture.fitted:
            raise InputError("The network was not trained: call fit_statistics(batches) first.")
        y = condition if self.n_classes else None
        given = None
        if n is not None:
            least, most = self.multiplicity_range.tolist()
            if n.shape != (n_jets,) or bool(((n < least) | (n > most)).any()):
                raise InputError(
                    f"Expected n [{n_jets}] from {least} to {most} particles, as training jets "
                    f"have, but got {list(n.shape)} from {int(n.min())} to {int(n.max())}."
                )
            given = torch.full((n_jets, 3), torch.nan, device=n.device)
            given[:, 2] = n
        _, of_jets = self.mixture.sample(n_jets, y, generator, given)
        assert of_jets is not None
        ptr = counts_to_ptr(of_jets[:, 2].long())
        x = self._draw(ptr, of_jets, y, generator)
        if match:
            axis = jet_momenta(x, ptr)[:, 2:].to(x.dtype)
            x = match_jet_momentum(x, ptr, torch.cat((of_jets[:, :2], axis), 1))
        return to_frame(x, ptr, random_frames(n_jets, generator, x.device)), ptr

    def _draw(
        self, ptr: Tensor, of_jets: Tensor, y: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        """Particles of jets of these globals, in their frames; the longest jets stand first."""
        counts = ptr.diff()
        order = counts.argsort(descending=True, stable=True)
        of_jets, first = of_jets[order], ptr[:-1][order]
        conditions = self._conditions(of_jets, None if y is None else y.flatten()[order])
        sizes = [int((counts > i).sum()) for i in range(int(counts.max()) if len(counts) else 0)]
        x = of_jets.new_zeros(int(ptr[-1]), 3)
        before, sums = of_jets.new_zeros(len(counts), 3), of_jets.new_zeros(len(counts), 4)
        hidden = of_jets.new_zeros(1, len(counts), self.hidden)
        anchors = of_jets.new_zeros(len(counts), self.anchors, 2)
        pt = of_jets[:, 0].clone()
        for i, k in enumerate(sizes):
            place = torch.full((k,), i, device=x.device)
            features = self._features(before[:k], sums[:k], of_jets[:k], conditions[:k], place)
            read = F.relu(self.read(features))
            out, hidden = self.gru(read.unsqueeze(0), hidden[:, :k].contiguous())
            log_weight, mean, log_width = self._mixture(out[0], read, anchors[:k], place)
            uniform = torch.rand(k, 1, generator=generator, device=x.device)
            below = log_weight.exp().cumsum(1)
            chosen = (below < uniform * below[:, -1:]).sum(1).clamp(max=self.components - 1)
            rows = torch.arange(k, device=x.device)
            noise = torch.randn(k, 3, generator=generator, device=x.device)
            unit = mean[rows, chosen] + log_width[rows, chosen].exp() * noise
            u = unit * self.width + self.shift
            pt = (pt[:k] * torch.exp(-u[:, 0].clamp(max=3).exp())).clamp(min=_LEAST_PT)
            angles = u[:, 1:].clamp(-_MOST_ANGLE, _MOST_ANGLE)
            before = torch.cat((pt.unsqueeze(1), angles), 1)
            sums = sums[:k] + _moments(before).to(sums.dtype)
            x[first[:k] + i] = before
            if i < self.anchors:
                anchors[:k, i] = (angles - self.shift[1:]) / self.width[1:]
        return x

    def __repr__(self) -> str:
        classes = f", n_classes={self.n_classes}" if self.n_classes else ""
        return (
            f"{type(self).__name__}(hidden={self.hidden}, components={self.components}, "
            f"anchors={self.anchors}, max_particles={self.max_particles}{classes})"
        )


def _coordinates(x: Tensor, ptr: Tensor, of_jets: Tensor) -> Tensor:
    """(ln ln of the ratio of pT, η, φ) of particles by falling pT, ``[N, 3]``."""
    jet = ptr_to_batch(ptr, len(x))
    log_pt = x[:, 0].clamp(min=_LEAST_PT).log()
    is_first = torch.arange(len(x), device=x.device) == ptr[jet]
    before = torch.where(is_first, of_jets[jet, 0].clamp(min=_LEAST_PT).log(), log_pt.roll(1))
    step = (before - log_pt).clamp(min=_LEAST_STEP).log()
    return torch.cat((step.unsqueeze(1), x[:, 1:]), 1)


def _moments(x: Tensor) -> Tensor:
    """pT, pT η, pT φ and pT ΔR² of particles, ``[N, 4]`` float64."""
    pt, eta, phi = x.double().unbind(1)
    return torch.stack((pt, pt * eta, pt * phi, pt * (eta * eta + phi * phi)), 1)
