r"""A variational autoencoder of what a detector makes of a jet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pyg_jets.columns import KINDS
from pyg_jets.errors import InputError
from pyg_jets.nn.layers import MLP
from pyg_jets.nn.layers.cell_lattice import CellLattice
from pyg_jets.nn.layers.response_inputs import Particles, ResponseInputs
from pyg_jets.nn.layers.response_links import rows_where
from pyg_jets.nn.layers.response_statistics import PairOfSets, fit_steps, measured_mass
from pyg_jets.nn.layers.response_steps import OF_PAIR, Draw, ResponseSteps
from pyg_jets.nn.models.vae import VariationalAutoencoder, check_finite_jets
from pyg_jets.ops import gather, ptr_to_batch, segment_mean, segment_sum
from pyg_jets.ops.kernel import in_threads, split_jets

__all__ = ["ConditionalGraphVAE", "Response"]

#: Jets that the statistics of matching are taken from, at most.
_STATISTICS = 4000
#: GEN particles that are generated at a time: what is worked on stays in a core's cache.
_CHUNK = 16384


class Response:
    """What a network says of the RECO jets of a batch: likelihoods, and draws on demand.

    Args:
        mean: Means of the latent given GEN and RECO, ``[J, L]``.
        log_var: Logarithms of its variances, ``[J, L]``.
        prior_mean: Means of the latent given GEN, ``[J, L]``.
        prior_log_var: Logarithms of its variances, ``[J, L]``.
        likelihood: Negative logarithms of the likelihood of each step of the response for the
            matched particles (nats), ``{name: [J]}``.
        points: (ln pT, η, φ) of the RECO particles, ``[M, 3]``.
        kind: Their kinds, ``[M]``.
        ptr: Their pointer, ``[J + 1]``.
        jet_pt: ΣpT of the GEN jets (GeV), ``[J]``.
        draw: Makes a :class:`Draw`.
    """

    def __init__(
        self,
        mean: Tensor,
        log_var: Tensor,
        prior_mean: Tensor,
        prior_log_var: Tensor,
        likelihood: dict[str, Tensor],
        points: Tensor,
        kind: Tensor,
        ptr: Tensor,
        jet_pt: Tensor,
        draw: Callable[[], Draw],
    ) -> None:
        self.mean, self.log_var = mean, log_var
        self.prior_mean, self.prior_log_var = prior_mean, prior_log_var
        self.likelihood = likelihood
        self.points, self.kind, self.ptr, self.jet_pt = points, kind, ptr, jet_pt
        self._draw = draw

    @cached_property
    def draws(self) -> tuple[Draw, Draw]:
        """Two independent draws of each jet, made when they are first asked for."""
        return self._draw(), self._draw()


class ConditionalGraphVAE(VariationalAutoencoder):
    r"""GEN → RECO: the particles of a jet after a detector, generated from those before it.

    Each particle goes through three steps, whose probabilities are learned from pairs:

    .. math::
        z_j &\sim p(z \mid x_j) \\
        k'_i &\sim p(k' \mid x_i, z_j) && \text{fate: as what it is seen (a lost track as a cell)}\\
        m_i &\sim p(m \mid x_i, x_{\text{par}(i)}, z_j) && \text{merging with the nearest harder
        one of that kind} \\
        s_r &\sim p(s \mid X_r, z_j),\quad
        y_r \sim p(y \mid X_r, z_j) && \text{survival and smearing of each cluster } r

    :math:`X_r` are the summed pT and energy of a cluster, at the place of its hardest particle. The
    measured pT is about :math:`(\sum p_T)^{1-\alpha} (\sum E / \cosh \eta)^{\alpha}`, α learned
    for each kind; its logarithm is a sinh-arcsinh of a Gaussian number (`Jones and Pewsey 2009
    <https://doi.org/10.1093/biomet/asp053>`_) with learned mean, width, skewness and tails, so that
    draws and likelihood are of one density. The direction is either exactly kept, with a learned
    probability, or displaced likewise. The latent :math:`z` is common to all particles of
    a jet: :math:`q(z \mid x, y)` sees how each matched particle was measured, and the divergence
    of q from p is part of the likelihood. It is 0 where the response of each particle is
    independent of the others' given the inputs.

    No rule of a detector is coded. Where ``cells`` gives the public geometry of a calorimeter, the
    place of a particle of that kind is the centre of its cell; without it, displacement and merging
    are learned from distances alone.

    Args:
        columns: Columns of a particle, the same as the names of
            :class:`~pyg_jets.transforms.Detect`; see
            :class:`~pyg_jets.nn.layers.response_inputs.ResponseInputs`. The source's are
            ``pt, etarel, phirel``.
        latent: Numbers of the latent.
        hidden: Width of the layers.
        layers: Number of layers of the trunk.
        tails: Largest ln τ of the smearing, see :mod:`~pyg_jets.nn.layers.sinh_arcsinh`: 0 where
            ln pT has tails no heavier than a Gaussian, more where kinds of particles are hidden.
        cells: Cells of some kinds, see :class:`~pyg_jets.nn.layers.cell_lattice.CellLattice`; needs
            the columns ``eta`` and ``phi``.

    Shapes:
        - **x:** GEN ``[N, len(columns)]``, **ptr:** ``[J + 1]``, **target:** RECO
          ``[M, len(columns)]``, **target_ptr:** ``[J + 1]``
        - **output:** a :class:`Response`, which :class:`~pyg_jets.losses.ResponseLoss` reads

    Examples:
        >>> x, ptr = torch.rand(7, 3) + 0.1, torch.tensor([0, 3, 7])
        >>> model = ConditionalGraphVAE(latent=2, hidden=8)
        >>> sorted(model(x, ptr, x, ptr).likelihood)
        ['fate', 'merging', 'smearing', 'survival']
        >>> made, made_ptr = model.sample(2, (x, ptr), generator=torch.Generator().manual_seed(1))
        >>> made.shape[1], len(made_ptr), bool((made[:, 0] > 0).all())
        (3, 3, True)
    """

    from_gen = True
    #: Its loss, in :mod:`pyg_jets.losses`: there is no reconstruction for others.
    trained_by = "ResponseLoss"
    trained: Tensor
    mass: Tensor

    def __init__(
        self,
        columns: Sequence[str] = ("pt", "etarel", "phirel"),
        latent: int = 4,
        hidden: int = 32,
        layers: int = 3,
        cells: Mapping[str, Any] | None = None,
        tails: float = 0.5,
    ) -> None:
        super().__init__(latent)
        if not 0 <= tails <= 1:
            raise InputError(f"Expected tails from 0 to 1, but got {tails}.")
        for name, value in {"hidden": hidden, "layers": layers}.items():
            if value < 1 + (name == "hidden"):
                raise InputError(
                    f"Expected {name} of at least {1 + (name == 'hidden')}, but got {value}."
                )
        self.inputs = ResponseInputs(columns)
        if cells and "phi" not in self.inputs.at:
            raise InputError(
                "Expected the columns eta and phi with cells, but got "
                f"{', '.join(self.inputs.columns)}: the place of a cell is absolute."
            )
        lattice = CellLattice(self.inputs.kinds, cells)
        self.steps = ResponseSteps(self.inputs, lattice, latent, hidden, layers, tails)
        features, width = self.inputs.n_features, 2 * hidden
        self.prior_head = MLP(features + 1, (width,), 2 * latent, "silu")
        self.of_pair = MLP(features + OF_PAIR, (width,) * 2, None, "silu")
        self.posterior_head = MLP(width + 1, (width,), 2 * latent, "silu")
        kinds = len(self.inputs.kinds)
        self.register_buffer("trained", torch.ones(kinds, dtype=torch.bool))
        self.register_buffer("mass", torch.zeros(kinds))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights again; at first the response is a narrow log-normal about the input."""
        self.steps.reset_parameters()
        self.of_pair.reset_parameters()
        for head in (self.prior_head, self.posterior_head):
            head.reset_parameters()
            last: Any = head.layers[-1]
            with torch.no_grad():
                last.weight.mul_(0.1)
                last.bias.zero_()

    def extra_repr(self) -> str:
        """The number of latents."""
        return f"latent={self.latent}"

    @torch.no_grad()
    def fit_statistics(self, batches: Iterable[Any]) -> None:
        """Set what is no parameter from PyG batches of pairs: units, matching, possible fates."""
        seen: list[Any] = []
        for batch in batches:
            seen.append((batch.x, batch.ptr, batch.x_target, batch.x_target_ptr))
            if sum(len(ptr) - 1 for _, ptr, *_ in seen) >= _STATISTICS:
                break
        if not seen:
            raise InputError("Expected training pairs of GEN and RECO, but got no batch.")
        for x, ptr, y, y_ptr in seen:
            check_finite_jets(x, ptr, "training batch")
            check_finite_jets(y, y_ptr, "RECO of the training batch")
        x = torch.cat([x for x, *_ in seen])
        for i, name in enumerate(self.inputs.columns[:3]):
            if len(x) < 2 or float(x[:, i].std()) <= 1e-6 * max(1.0, float(x[:, i].abs().max())):
                raise InputError(
                    f"Expected particles that differ in {name}, but it has no variance in the "
                    "training jets: check the data set and the names of Detect."
                )
        total = torch.cat([segment_sum(x[:, :1], ptr) for x, ptr, *_ in seen]).clamp(min=1e-4).log()
        self.inputs.jet_mean.copy_(total.mean())
        self.inputs.jet_std.copy_(total.std(unbiased=False).clamp(min=1e-3))
        pairs = [
            PairOfSets(self.inputs.read(x, ptr), ptr, self.inputs.read(y, y_ptr), y_ptr)
            for x, ptr, y, y_ptr in seen
        ]
        kinds = torch.cat([pair.gen.kind for pair in pairs])
        self.trained.copy_(kinds.bincount(minlength=len(self.trained)) > 0)
        if "e" in self.inputs.at:
            for k in range(len(self.mass)):
                self.mass[k] = measured_mass(k, pairs)
        fit_steps(self.steps, pairs)

    def _prior(self, features: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
        """p(z | GEN) by the mean of the features, whose hat functions make it a set of spectra."""
        size = ((ptr.diff() + 1).to(features.dtype).log() / 4).unsqueeze(1)
        h = torch.cat((segment_mean(features, ptr), size), 1)
        mean, log_var = self.prior_head(h).chunk(2, 1)
        return mean, log_var.clamp(-8, 4)

    def _posterior(
        self, features: Tensor, ptr: Tensor, of_pair: Tensor, prior: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        h = segment_mean(self.of_pair(torch.cat((features, of_pair), 1)), ptr)
        size = ((ptr.diff() + 1).to(h.dtype).log() / 4).unsqueeze(1)
        mean, log_var = self.posterior_head(torch.cat((h, size), 1)).chunk(2, 1)
        return prior[0] + mean, (prior[1] + log_var).clamp(-12, 6)

    def encode(
        self,
        x: Tensor,
        ptr: Tensor,
        y: Tensor | None = None,
        target: Tensor | None = None,
        target_ptr: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each jet's latent, ``[J, latent]`` each.

        Args:
            x: GEN particles ``[N, len(columns)]``.
            ptr: Their pointer ``[J + 1]``.
            y: Not read.
            target: RECO particles ``[M, len(columns)]``, for :math:`q(z | x, y)`. Default: none,
                for :math:`p(z | x)`.
            target_ptr: Their pointer ``[J + 1]``.
        """
        gen = self._read(x, ptr)
        features = self.inputs.features(gen, gen.kind)
        prior = self._prior(features, ptr)
        if target is None or target_ptr is None:
            return prior
        target, target_ptr = self.targets(x, ptr, target, target_ptr)
        reco = self.inputs.read(target, target_ptr)
        pairs = self.steps.pairs(gen, features, ptr, reco, target_ptr)
        return self._posterior(features, ptr, pairs.features, prior)

    def _read(self, x: Tensor, ptr: Tensor) -> Particles:
        check_finite_jets(x, ptr, "input")
        gen = self.inputs.read(x, ptr)
        if len(gen.kind) and not bool(self.trained[gen.kind].all()):
            names = [self.inputs.kinds[k] for k in gen.kind[~self.trained[gen.kind]].unique()]
            raise InputError(
                f"Expected particles of the kinds of the training, but got {', '.join(names)}: "
                "train with jets that have them."
            )
        return gen

    def forward(
        self,
        x: Tensor,
        ptr: Tensor,
        target: Tensor | None = None,
        target_ptr: Tensor | None = None,
        y: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Response:
        """Likelihood of the response of each jet, and draws of it.

        Args:
            x: GEN particles ``[N, len(columns)]``.
            ptr: Their pointer ``[J + 1]``.
            target: RECO particles ``[M, len(columns)]``.
            target_ptr: Their pointer ``[J + 1]``.
            y: Not read.
            weight: Not read: all terms are those of each jet.

        Raises:
            ValueError: If they do not fit together, or are not finite.
        """
        target, target_ptr = self.targets(x, ptr, target, target_ptr)
        gen, reco = self._read(x, ptr), self.inputs.read(target, target_ptr)
        features = self.inputs.features(gen, gen.kind)
        prior = self._prior(features, ptr)
        pairs = self.steps.pairs(gen, features, ptr, reco, target_ptr)
        mean, log_var = self._posterior(features, ptr, pairs.features, prior)
        batch = ptr_to_batch(ptr, len(x))
        z = self.draw(mean, log_var)[batch]
        likelihood = self.steps.likelihood(gen, features, ptr, reco, pairs, z)

        def draw() -> Draw:
            return self.steps.draw(gen, features, ptr, self.draw(*prior)[batch])

        return Response(
            mean,
            log_var,
            *prior,
            likelihood,
            torch.cat((reco.pt.log().unsqueeze(1), reco.pos), 1),
            reco.kind,
            target_ptr,
            segment_sum(gen.pt.unsqueeze(1), ptr).squeeze(1),
            draw,
        )

    @torch.no_grad()
    def sample(
        self,
        n_jets: int,
        condition: tuple[Tensor, Tensor] | None = None,
        n: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Generate RECO jets from GEN jets.

        Args:
            n_jets: How many; if there are fewer GEN jets, these are used again in turn.
            condition: The GEN jets ``(x, ptr)``.
            n: Not available: the multiplicity is that of the particles that the detector sees.
            generator: Of all draws; on the CPU the same whatever the number of threads.

        Returns:
            Particles ``[N, len(columns)]`` and pointer ``[n_jets + 1]``.

        Raises:
            ValueError: Without GEN jets, or with a multiplicity.
        """
        if n_jets < 0 or not isinstance(condition, tuple | None):
            raise InputError(
                f"Expected 0 jets or more, out of GEN jets (x, ptr) as condition, but got {n_jets} "
                f"and {type(condition).__name__}."
            )
        if condition is None or len(condition[1]) < 2:
            raise InputError("Expected GEN jets (x, ptr) as condition, but got none: give some.")
        if n is not None:
            raise InputError(
                "Expected no multiplicity n: it follows from the particles that are seen. Leave it "
                "out."
            )
        x, ptr = condition
        if n_jets != len(ptr) - 1:
            turn = torch.arange(n_jets, device=x.device) % (len(ptr) - 1)
            x, ptr = gather(x, ptr, turn)
        check_finite_jets(x, ptr, "input")
        device = ptr.device
        cuts = split_jets(ptr, _CHUNK) if device.type == "cpu" else [(0, len(ptr) - 1)]
        seed = int(torch.randint(2**62, (1,), generator=generator, device=device))

        def run(i: int) -> tuple[Tensor, Tensor]:
            first, last = cuts[i]
            part = ptr[first : last + 1]
            own = torch.Generator(device).manual_seed((seed + i) % 2**63)
            return self._sample(x[part[0] : part[-1]], part - part[0], own)

        made = in_threads(run, range(len(cuts)))
        counts = torch.cat([counts for _, counts in made])
        ptr = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
        return torch.cat([x for x, _ in made]), ptr

    def _sample(self, x: Tensor, ptr: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """RECO particles of some jets, and how many each has."""
        gen = self._read(x, ptr)
        features = self.inputs.features(gen, gen.kind)
        z = self.draw(*self._prior(features, ptr), generator)
        draw = self.steps.draw(gen, features, ptr, z[ptr_to_batch(ptr, len(x))], generator)
        kept, kept_ptr = rows_where(draw.seen, draw.ptr)
        points, row, kind = draw.points[kept], draw.row[kept], draw.kind[kept]
        pt = points[:, 0].exp()
        out = x.new_zeros(len(kept), len(self.inputs.columns))
        out[:, 0], out[:, 1:3] = pt, points[:, 1:]
        at = self.inputs.at
        if gen.eta is not None:
            out[:, at["eta"]] = eta = points[:, 1] + (gen.eta - gen.pos[:, 0])[row]
            if "e" in at:
                out[:, at["e"]] = torch.hypot(pt * eta.cosh(), self.mass[kind])
        if gen.phi is not None:
            phi = points[:, 2] + (gen.phi - gen.pos[:, 1])[row]
            out[:, at["phi"]] = torch.remainder(phi + torch.pi, 2 * torch.pi) - torch.pi
        if gen.charge is not None:
            same = kind == gen.kind[row]
            out[:, at["charge"]] = torch.where(same, gen.charge[row], 0.0)
        for k, name in enumerate(self.inputs.kinds):
            if name in KINDS:
                out[:, at[name]] = (kind == k).to(out.dtype)
        return out, kept_ptr.diff()
