r"""A variational autoencoder of what a detector makes of a jet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.nn.layers import MLP
from pyg_jets.nn.layers.energy import energy_score
from pyg_jets.nn.layers.jet_encoder import JetEncoder
from pyg_jets.nn.layers.jet_momentum import jet_momenta, match_jet_momentum
from pyg_jets.nn.layers.jet_summary import jet_observables
from pyg_jets.nn.layers.matching import Matching, match_particles, merge_particles
from pyg_jets.nn.layers.multiplicity import MultiplicityDistribution, MultiplicityHead
from pyg_jets.nn.layers.particle_scale import ParticleScale
from pyg_jets.nn.layers.set_decoder import ResponseDecoder, sample_particles
from pyg_jets.nn.models.vae import Reconstruction, VariationalAutoencoder, check_finite_jets
from pyg_jets.ops import gather, segment_sum
from pyg_jets.ops.weighted import check_weight, weighted_mean

__all__ = ["ConditionalGraphVAE"]


class _Encoded(NamedTuple):
    """GEN jets as the encoder sees them: features of particles, pointer, features of jets."""

    h: Tensor
    ptr: Tensor
    g: Tensor


class ConditionalGraphVAE(VariationalAutoencoder):
    r"""GEN → RECO: the particles of a jet after a detector, generated from those before it.

    .. math::
        z_j \sim \mathcal{N}(\mu(x_j), \sigma^2(x_j)), \quad n_j \sim p(n \mid z_j, x_j), \quad
        \hat x_{ji} = b_i + f(b_i, h_i, z_j, \varepsilon_i)

    for the n GEN particles that have a RECO particle, drawn by their learned probability. The other
    GEN particles are lost, or merged into their nearest neighbour, as particles in one cell are:
    :math:`b_i` is the momentum sum of a particle and those merged into it, :math:`h_i` are features
    of an edge convolution. The jet's four-momentum is drawn as well, about the sum of the generated
    particles, and these are rescaled to it. Each call of :meth:`sample` draws another response.

    The loss terms are energy scores of two draws,
    :math:`\operatorname{E}|\hat y - y| - \tfrac12 \operatorname{E}|\hat y - \hat y'|`
    (J. Am. Stat. Assoc. 102 (2007) 359), which are minimal for the true distribution, not only for
    the true mean.

    Args:
        columns: Columns of a particle, 3: (pT, η, φ) relative to the axis of GEN.
        latent: Numbers of the latent.
        coordinates: See :class:`~pyg_jets.nn.layers.particle_scale.ParticleScale`.
        channels: Widths of the encoder's layers.
        blocks: Blocks of the encoder.
        k: Neighbours in its edge convolutions; 0 for a deep set.
        hidden: Width of the decoder.
        layers: Layers of the decoder before its last.
        noise: Gaussian numbers of a particle.

    Shapes:
        - **x:** GEN ``[N, 3]``, **ptr:** ``[J + 1]``, **target:** RECO ``[M, 3]``,
          **target_ptr:** ``[J + 1]``, **weight:** ``[J]``, for weighted means
        - **output:** a :class:`~pyg_jets.nn.models.vae.Reconstruction` with the terms
          ``multiplicity`` (nats, averaged over jets), ``matching`` (nats, averaged over particles),
          ``response`` (energy score of the matched particles) and ``jet`` (energy score of pT,
          mass, η, φ, width and dispersion of the jet, each alone and all together), both in units
          of the standard deviation of RECO − GEN

    Examples:
        >>> x, ptr = torch.rand(7, 3) + 0.1, torch.tensor([0, 3, 7])
        >>> model = ConditionalGraphVAE(latent=4, channels=(8,), k=2)
        >>> sorted(model(x, ptr, x, ptr).terms)
        ['jet', 'matching', 'multiplicity', 'response']
        >>> x, ptr = model.sample(2, (x, ptr))
        >>> len(ptr), bool((x[:, 0] > 0).all())
        (3, True)
    """

    from_gen = True
    spread: Tensor

    def __init__(
        self,
        columns: int = 3,
        latent: int = 8,
        coordinates: str = "logptetaphi",
        channels: Sequence[int] = (32, 32),
        blocks: int = 2,
        k: int = 8,
        hidden: int = 64,
        layers: int = 2,
        noise: int = 4,
    ) -> None:
        super().__init__(latent)
        if coordinates == "plain":
            raise InputError("Expected physical coordinates, but got 'plain': see ParticleScale.")
        self.scale = ParticleScale(coordinates, None, columns)
        self.encoder = JetEncoder(columns, tuple(channels), blocks, k)
        of_jet, of_particle = self.encoder.jet_channels, self.encoder.particle_channels
        self.posterior = MLP(of_jet, (hidden,), 2 * latent)
        self.multiplicity = MultiplicityHead(latent + of_jet, hidden)
        self.decoder = ResponseDecoder(columns, of_particle, latent + of_jet, hidden, layers, noise)
        self.whole = MLP(latent + of_jet + 4 + noise, (hidden,), 4)
        self.register_buffer("spread", torch.ones(6))

    def fit_statistics(self, batches: Iterable[Any]) -> None:
        """Learn scales, multiplicity and response from PyG batches of pairs."""
        seen = [(b.x, b.ptr, b.x_target, b.x_target_ptr) for b in batches]
        self.scale.fit_statistics(x for x, *_ in seen)
        self.encoder.summary.fit_statistics([(x, ptr) for x, ptr, *_ in seen])
        self.multiplicity.fit_statistics([ptr.diff() for *_, ptr in seen])
        away = [jet_observables(y, y_ptr) - jet_observables(x, ptr) for x, ptr, y, y_ptr in seen]
        self.spread.copy_(torch.cat(away).std(0, unbiased=False).clamp(min=1e-4))

    def encode(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each jet's latent, ``[J, latent]`` each."""
        return self._latent(self._encode(x, ptr))

    def _encode(self, x: Tensor, ptr: Tensor) -> _Encoded:
        check_finite_jets(x, ptr, "input")
        h, g = self.encoder(self.scale(x), ptr, x[:, 1:3], x)
        return _Encoded(h, ptr, g)

    def _latent(self, encoded: _Encoded) -> tuple[Tensor, Tensor]:
        mean, log_var = self.posterior(encoded.g).chunk(2, 1)
        return mean, log_var.clamp(-12, 6)

    def _multiplicity(self, jet: Tensor, logit: Tensor, ptr: Tensor) -> MultiplicityDistribution:
        expected = segment_sum(logit.detach().sigmoid().unsqueeze(1), ptr).squeeze(1)
        return self.multiplicity(jet, expected)

    def forward(
        self,
        x: Tensor,
        ptr: Tensor,
        target: Tensor,
        target_ptr: Tensor,
        y: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Reconstruction:
        """A draw of RECO for each GEN jet, and how well draws agree with the target."""
        target, target_ptr = self.targets(x, ptr, target, target_ptr)
        encoded = self._encode(x, ptr)
        mean, log_var = self._latent(encoded)
        matching = match_particles(x, ptr, target, target_ptr)
        base, base_ptr = merge_particles(x, ptr, matching.gen, matching.merged)
        base, true_points = self.scale(base), self.scale(target)
        generated, matched = [], []
        for _ in range(2):
            jet = torch.cat((self.draw(mean, log_var), encoded.g), 1)
            logits = self.decoder.matching_logits(encoded.h, jet, ptr)
            multiplicity = self._multiplicity(jet, logits[:, 0], ptr)
            generated.append(self._make(x, encoded, jet, logits, multiplicity.sample()))
            matched.append(self.decoder(base, encoded.h[matching.gen], jet, base_ptr))
        of_jets = [
            jet_observables(*jets) / self.spread for jets in (*generated, (target, target_ptr))
        ]
        of_each = [[v[:, i : i + 1] for v in of_jets] for i in range(6)]
        of_gen = of_reco = None
        if weight is not None:
            weight = check_weight(weight, len(mean)).to(mean.dtype)
            of_gen = weight.repeat_interleave(ptr.diff())
            of_reco = weight.repeat_interleave(target_ptr.diff())[matching.reco]
        terms = {
            "multiplicity": weighted_mean(-multiplicity.log_prob(target_ptr.diff()), weight),
            "matching": _matching_loss(logits, matching, of_gen),
            "response": energy_score(
                matched[0], matched[1], true_points[matching.reco], weight=of_reco
            ),
            "jet": torch.stack(
                [energy_score(a, b, true, weight) for a, b, true in (of_jets, *of_each)]
            ).sum(),
        }
        x, ptr = generated[0]
        return Reconstruction(
            self.scale(x),
            ptr,
            true_points,
            target_ptr,
            x,
            ptr,
            target,
            target_ptr,
            mean,
            log_var,
            terms,
        )

    def _make(
        self,
        x: Tensor,
        encoded: _Encoded,
        jet: Tensor,
        logits: Tensor,
        n: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Draw which particles have a RECO particle, and generate these."""
        matched, _ = sample_particles(logits[:, 0], encoded.ptr, n, generator)
        drawn = torch.rand(len(x), generator=generator, device=x.device)
        merged = (drawn < logits[:, 1].sigmoid()).index_fill(0, matched, False)
        base, ptr = merge_particles(x, encoded.ptr, matched, merged)
        points = self.decoder(self.scale(base), encoded.h[matched], jet, ptr, generator)
        return self._match_momentum(
            x, encoded, jet, self.scale.particles(points), ptr, generator
        ), ptr

    def _match_momentum(
        self,
        x: Tensor,
        encoded: _Encoded,
        jet: Tensor,
        made: Tensor,
        ptr: Tensor,
        generator: torch.Generator | None,
    ) -> Tensor:
        """Particles whose sum is a draw of what the jet is as a whole."""
        now = jet_momenta(made, ptr).to(x.dtype)
        away = (now - jet_momenta(x, encoded.ptr).to(x.dtype)) / self.spread[:4]
        shape = len(now), self.decoder.noise
        drawn = torch.randn(shape, generator=generator, device=x.device)
        change = self.whole(torch.cat((jet, away.clamp(-10, 10), drawn.to(x.dtype)), 1))
        pt, mass, eta, phi = (now + 0.3 * change * self.spread[:4]).unbind(1)
        pt = torch.maximum(pt, 0.1 * now[:, 0]).clamp(min=1e-2)
        mass = torch.maximum(mass, 0.1 * now[:, 1]).clamp(min=1e-3)
        return match_jet_momentum(made, ptr, torch.stack((pt, mass, eta, phi), 1))

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
            n: How many particles each is to have ``[n_jets]``, or all of GEN where that has fewer.
                Default: drawn.
            generator: Of all draws.

        Returns:
            Particles ``[N, 3]`` and pointer ``[n_jets + 1]``.

        Raises:
            ValueError: Without GEN jets.
        """
        if condition is None or len(condition[1]) < 2:
            raise InputError("Expected GEN jets (x, ptr) as condition, but got none: give some.")
        x, ptr = condition
        if n_jets != len(ptr) - 1:
            turn = torch.arange(n_jets, device=x.device) % (len(ptr) - 1)
            x, ptr = gather(x, ptr, turn)
        encoded = self._encode(x, ptr)
        mean, log_var = self._latent(encoded)
        jet = torch.cat((self.draw(mean, log_var, generator), encoded.g), 1)
        logits = self.decoder.matching_logits(encoded.h, jet, ptr)
        n = self._multiplicity(jet, logits[:, 0], ptr).sample(generator) if n is None else n
        return self._make(x, encoded, jet, logits, n, generator)


def _matching_loss(logits: Tensor, matching: Matching, weight: Tensor | None) -> Tensor:
    """Cross-entropies of being matched and of being merged if not, averaged over particles."""
    matched = torch.zeros_like(logits[:, 0]).index_fill(0, matching.gen, 1.0)
    merged = matching.merged.to(logits.dtype)
    of_each = F.binary_cross_entropy_with_logits(
        logits[:, 0], matched, reduction="none"
    ) + F.binary_cross_entropy_with_logits(
        logits[:, 1], merged, weight=1 - matched, reduction="none"
    )
    return weighted_mean(of_each, weight)
