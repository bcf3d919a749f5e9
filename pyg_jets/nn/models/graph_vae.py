r"""A variational autoencoder of jets of any number of particles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.nn.layers import MLP
from pyg_jets.nn.layers.energy import energy_distance
from pyg_jets.nn.layers.jet_encoder import JetEncoder
from pyg_jets.nn.layers.jet_momentum import match_jet_momentum
from pyg_jets.nn.layers.multiplicity import MultiplicityHead
from pyg_jets.nn.layers.particle_scale import ParticleScale
from pyg_jets.nn.layers.set_decoder import SetDecoder
from pyg_jets.nn.models.vae import Reconstruction, VariationalAutoencoder, check_finite_jets
from pyg_jets.ops import counts_to_ptr
from pyg_jets.ops.weighted import check_weight, weighted_mean

__all__ = ["GraphVAE"]

#: Number of particles of a batch in the energy distance, which compares all pairs.
_MAX_PAIRED = 512
#: The least pT and mass of a jet (GeV).
_LEAST = 1e-2


class GraphVAE(VariationalAutoencoder):
    r"""A variational autoencoder of jets of any multiplicity, without padding.

    .. math::
        z_j \sim \mathcal{N}(\mu(x_j), \sigma^2(x_j)), \quad n_j \sim p(n \mid z_j, y_j), \quad
        \hat x_{ji} = f(s_{ji}, z_j, n_j, y_j), \; i = 1 \dots n_j

    The encoder does not depend on the order of the particles. The decoder draws the multiplicity
    from a learned distribution and decodes each particle from its own noise vector, as
    arXiv:1802.05384 decodes surfaces. Particles that are decoded independently do not add up to a
    jet, so the jet's pT, mass and axis are decoded from the latent too, and the particles are
    rescaled to them.

    Args:
        columns: Columns of a particle: 3, (pT, η, φ) relative to the jet's axis, unless
            ``coordinates`` is ``plain``.
        latent: Numbers of the latent.
        coordinates: See :class:`~pyg_jets.nn.layers.particle_scale.ParticleScale`.
        scale: See there.
        channels: Widths of the encoder's layers.
        blocks: Blocks of the encoder.
        k: Neighbours in its edge convolutions; 0 for a deep set.
        hidden: Width of the decoder.
        layers: Layers of the decoder before its last.
        noise: Gaussian numbers of a seed.
        n_classes: Number of classes, if jets are asked for by class.

    Shapes:
        - **x:** ``[N, columns]``, **ptr:** ``[J + 1]``, **target:** ``[M, columns]``,
          **target_ptr:** ``[J + 1]``, **y:** ``[J]``, **weight:** ``[J]``
        - **output:** a :class:`~pyg_jets.nn.models.vae.Reconstruction` with the terms
          ``multiplicity``, :math:`-\ln p(n)` in nats, averaged over jets; and of jets made out of
          the prior, as many as there are, ``marginal``, the same with p averaged over their
          latents, and the energy distances ``jets`` of their observables and ``spectrum`` of their
          particles, in units of their spread in training jets; with ``weight`` all are those of
          weighted jets

    Examples:
        >>> x, ptr = torch.rand(7, 3), torch.tensor([0, 3, 7])
        >>> model = GraphVAE(latent=4, channels=(8,), k=2)
        >>> model(x, ptr).mean.shape
        torch.Size([2, 4])
        >>> x, ptr = model.sample(5, n=torch.full((5,), 4))
        >>> len(ptr), bool((x[:, 0] > 0).all())
        (6, True)
    """

    def __init__(
        self,
        columns: int = 3,
        latent: int = 20,
        coordinates: str = "logptetaphi",
        scale: Sequence[float] | None = None,
        channels: Sequence[int] = (32, 32),
        blocks: int = 2,
        k: int = 8,
        hidden: int = 64,
        layers: int = 2,
        noise: int = 7,
        n_classes: int = 0,
    ) -> None:
        super().__init__(latent, n_classes)
        self.scale = ParticleScale(coordinates, scale, columns)
        physical = coordinates != "plain"
        self.encoder = JetEncoder(columns, tuple(channels), blocks, k, physical)
        self.posterior = MLP(self.encoder.jet_channels + n_classes, (hidden,), 2 * latent)
        self.multiplicity = MultiplicityHead(latent + n_classes, hidden)
        self.decoder = SetDecoder(columns, latent + n_classes + 1, hidden, layers, noise)
        self.whole = MLP(latent + n_classes + 1, (hidden, hidden), 4) if physical else None

    def fit_statistics(self, batches: Iterable[Any]) -> None:
        """Learn the scale of particles and the multiplicity from PyG batches of training jets."""
        seen = [(batch.x, batch.ptr) for batch in batches]
        self.scale.fit_statistics(x for x, _ in seen)
        self.encoder.summary.fit_statistics(seen)
        self.multiplicity.fit_statistics([ptr.diff() for _, ptr in seen])

    def encode(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each jet's latent, ``[J, latent]`` each."""
        check_finite_jets(x, ptr, "input")
        u = self.scale(x)
        pos = u if self.scale.coordinates == "plain" else x[:, 1:3]
        _, g = self.encoder(u, ptr, pos, x)
        conditions = torch.cat((g, self.classes(y, len(ptr) - 1)), 1)
        mean, log_var = self.posterior(conditions).chunk(2, 1)
        return mean, log_var.clamp(-12, 6)

    def decode(
        self,
        z: Tensor,
        ptr: Tensor,
        y: Tensor | None = None,
        seeds: Tensor | None = None,
    ) -> Tensor:
        """Particles ``[N, columns]`` of jets with these latents.

        Args:
            z: Latents ``[J, latent]``.
            ptr: How many particles of each jet, as a pointer ``[J + 1]``.
            y: Classes ``[J]``, if the network is asked by class.
            seeds: Seeds ``[N, 1 + noise]`` of the particles. Default: drawn.
        """
        n = (ptr.diff() - self.multiplicity.mean) / self.multiplicity.deviation
        conditions = torch.cat((z, self.classes(y, len(z)), n.unsqueeze(1)), 1)
        x = self.scale.particles(self.decoder(conditions, ptr, seeds))
        if self.whole is None:
            return x
        return match_jet_momentum(x, ptr, self._jet_momentum(self.whole(conditions)))

    def _jet_momentum(self, unit: Tensor) -> Tensor:
        """pT, mass, η and φ of jets out of numbers of unit size."""
        summary = self.encoder.summary
        pt, mass, eta, phi = (unit * summary.width[:4] + summary.shift[:4]).unbind(1)
        return torch.stack((pt.clamp(min=_LEAST), mass.clamp(min=_LEAST), eta, phi), 1)

    def forward(
        self,
        x: Tensor,
        ptr: Tensor,
        target: Tensor | None = None,
        target_ptr: Tensor | None = None,
        y: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Reconstruction:
        """The jets again, each with as many particles as its target has."""
        target, target_ptr = self.targets(x, ptr, target, target_ptr)
        mean, log_var = self.encode(x, ptr, y)
        z = self.draw(mean, log_var) if self.training else mean
        multiplicity = self.multiplicity(torch.cat((z, self.classes(y, len(z))), 1))
        made = self.decode(z, target_ptr, y)
        weight = None if weight is None else check_weight(weight, len(z)).to(z.dtype)
        terms = {"multiplicity": weighted_mean(-multiplicity.log_prob(target_ptr.diff()), weight)}
        terms |= self._prior_terms(target, target_ptr, y, weight)
        points, wanted = self.scale(made), self.scale(target)
        return Reconstruction(
            points, target_ptr, wanted, target_ptr, made, target_ptr, target, target_ptr,
            mean, log_var, terms,
        )  # fmt: skip

    def _prior_terms(
        self, target: Tensor, ptr: Tensor, y: Tensor | None, weight: Tensor | None
    ) -> dict[str, Tensor]:
        """How far jets out of the prior are from the true ones, as two samples."""
        z = self.prior(len(ptr) - 1)
        multiplicity = self.multiplicity(torch.cat((z, self.classes(y, len(z))), 1))
        made_ptr = counts_to_ptr(multiplicity.sample())
        x = self.decode(z, made_ptr, y)
        # a jet out of the prior counts as much as the one that gave it its class
        weights = weight if self.n_classes else None, weight
        few, of_few = [], []
        for v, v_ptr, of_jet in zip((x, target), (made_ptr, ptr), weights, strict=True):
            rows = torch.randperm(len(v), device=v.device)[:_MAX_PAIRED]
            few.append(self.scale(v)[rows])
            of_few.append(None if of_jet is None else of_jet.repeat_interleave(v_ptr.diff())[rows])
        marginal = weighted_mean(-multiplicity.average(weights[0]).log_prob(ptr.diff()), weight)
        terms = {"marginal": marginal, "spectrum": energy_distance(*few, *of_few)}
        if self.encoder.summary.physical:
            made = self.encoder.summary(x, made_ptr)
            true = self.encoder.summary(target, ptr)
            terms["jets"] = energy_distance(made, true, *weights) + sum(
                energy_distance(made[:, i : i + 1], true[:, i : i + 1], *weights) for i in range(6)
            )
        return terms

    @torch.no_grad()
    def sample(
        self,
        n_jets: int,
        condition: Tensor | None = None,
        n: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Jets out of the prior.

        Args:
            n_jets: How many.
            condition: The class of each ``[n_jets]``, if the network is asked by class.
            n: How many particles each is to have ``[n_jets]``. Default: drawn.
            generator: Of all draws.

        Returns:
            Particles ``[N, columns]`` and pointer ``[n_jets + 1]``.

        Raises:
            ValueError: For a number of particles that no training jet had.
        """
        z = self.prior(n_jets, generator)
        if n is None:
            multiplicity = self.multiplicity(torch.cat((z, self.classes(condition, n_jets)), 1))
            n = multiplicity.sample(generator)
        else:
            self._check_seen(n, n_jets)
        ptr = counts_to_ptr(n)
        seeds = self.decoder.seeds(ptr, generator)
        return self.decode(z, ptr, condition, seeds), ptr

    def _check_seen(self, n: Tensor, n_jets: int) -> None:
        least, most = self.multiplicity.ends.tolist()
        if n.shape != (n_jets,) or bool(((n < least) | (n > most)).any()):
            raise InputError(
                f"Expected n [{n_jets}] from {least} to {most} particles, as training jets have, "
                f"but got {list(n.shape)} from {int(n.min())} to {int(n.max())}."
            )
