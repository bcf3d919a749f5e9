r"""A variational autoencoder of jets of any number of particles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.nn.layers.mixture_prior import MixturePrior
from pyg_jets.nn.layers.particle_scale import ParticleScale
from pyg_jets.nn.layers.seed_table import SeedTable
from pyg_jets.nn.layers.set_encoder import SetEncoder
from pyg_jets.nn.models.vae import Reconstruction, VariationalAutoencoder, check_finite_jets
from pyg_jets.ops import counts_to_ptr

__all__ = ["GraphVAE"]

#: Gaussians of the mixture of the globals, at most.
_GLOBAL_COMPONENTS = 20
#: The least deviation of a number of particles by which it is scaled.
_LEAST_DEVIATION = 0.5


class GraphVAE(VariationalAutoencoder):
    r"""A variational autoencoder of sets of any number of particles, without padding.

    .. math::
        z_j \sim \mathcal{N}(\mu(x_j), \sigma^2(x_j)), \quad
        \hat x_{ji} = \frac{1}{\sqrt K} \sum_k T_{ik}\, W_k(z_j, g_j) + b(z_j, g_j), \quad
        i = 1 \dots n_j

    The encoder does not depend on the order of the particles. The decoder multiplies a table T of
    learned seeds, a row for each particle, with a matrix W that an MLP makes of the jet's latent
    and of its globals g, which are numbers of the jet as a whole: the multiplicity n.

    Draws of N(0, 1) decode into nothing like training jets, since their latents fill it unevenly.
    After a training :meth:`fit_prior` fits mixtures of Gaussians to globals and latents, for each
    class; jets are sampled from these, globals first, then z given them. The classes are of this
    prior alone: encoder and decoder are not told them.

    Args:
        columns: Columns of a particle: 3, (pT, η, φ) relative to the jet's axis, unless
            ``coordinates`` is ``plain``.
        latent: Numbers of the latent.
        coordinates: Of :class:`~pyg_jets.nn.layers.particle_scale.ParticleScale`, in which losses
            compare particles: ``pxpypz``, ``ptetaphi``, ``logptetaphi`` or ``plain``.
        scale: A factor for each coordinate. Default: learned, so that each has deviation 1.
        max_particles: The largest multiplicity.
        rank: Columns of the table of seeds.
        hidden: Widths of the hidden layers of the decoder's MLP.
        encoder: ``deep_set`` or ``edge_conv``.
        encoder_hidden: Width of its layers.
        k: Neighbours of a particle in edge convolutions.
        n_classes: Number of classes, if jets are asked for by class.
        components: Gaussians of the prior's mixture, for each class.

    Shapes:
        - **x:** ``[N, columns]``, **ptr:** ``[J + 1]``, **target:** ``[M, columns]``,
          **target_ptr:** ``[J + 1]``, **y:** ``[J]``, **weight:** ``[J]``
        - **output:** a :class:`~pyg_jets.nn.models.vae.Reconstruction` without further terms

    Examples:
        >>> x, ptr = torch.rand(7, 3), torch.tensor([0, 3, 7])
        >>> model = GraphVAE(latent=4, max_particles=4, components=1)
        >>> model(x, ptr).mean.shape
        torch.Size([2, 4])
        >>> x, ptr = model.reconstruct(x, ptr)
        >>> x.shape, ptr.tolist()
        (torch.Size([7, 3]), [0, 3, 7])
    """

    shift: Tensor
    width: Tensor
    global_shift: Tensor
    global_width: Tensor
    multiplicity_range: Tensor

    def __init__(
        self,
        columns: int = 3,
        latent: int = 32,
        coordinates: str = "logptetaphi",
        scale: Sequence[float] | None = None,
        max_particles: int = 150,
        rank: int = 128,
        hidden: Sequence[int] = (384, 768),
        encoder: str = "deep_set",
        encoder_hidden: int = 64,
        k: int = 8,
        n_classes: int = 0,
        components: int = 40,
    ) -> None:
        super().__init__(latent, n_classes)
        self.scale = ParticleScale(coordinates, scale, columns)
        positions = (1, 2) if self.physical else tuple(range(min(columns, 2)))
        n_globals = self.n_globals
        self.encoder = SetEncoder(
            columns, 2 * latent, positions, encoder, encoder_hidden, k, conditions=n_globals
        )
        self.decoder = SeedTable(latent + n_globals, columns, max_particles, rank, hidden)
        self.mixture = MixturePrior(
            latent, components, n_classes, n_globals, integers=(n_globals - 1,),
            global_components=min(components, _GLOBAL_COMPONENTS),
        )  # fmt: skip
        self.register_buffer("shift", torch.zeros(columns))
        self.register_buffer("width", torch.ones(columns))
        self.register_buffer("global_shift", torch.zeros(n_globals))
        self.register_buffer("global_width", torch.ones(n_globals))
        self.register_buffer("multiplicity_range", torch.tensor([0, max_particles]))

    @property
    def n_globals(self) -> int:
        """Number of globals of a jet; the last one is its multiplicity."""
        return 1

    def jet_globals(self, x: Tensor, ptr: Tensor) -> Tensor:
        """Numbers of each jet as a whole, ``[J, n_globals]``: the multiplicity.

        Args:
            x: Particles ``[N, columns]``.
            ptr: Their pointer ``[J + 1]``.
        """
        return ptr.diff().unsqueeze(1).to(x.dtype)

    @torch.no_grad()
    def fit_statistics(self, batches: Iterable[Any]) -> None:
        """Learn scales and the range of multiplicities from PyG batches of training jets.

        Raises:
            ValueError: If there are no particles, one is not finite, or a jet has more than
                ``max_particles``.
        """
        seen = [(batch.x, batch.ptr) for batch in batches]
        for x, ptr in seen:
            check_finite_jets(x, ptr, "training batch")
        counts = torch.cat([ptr.diff() for _, ptr in seen] or [torch.zeros(0)])
        most = self.decoder.max_particles
        if len(counts) and int(counts.max()) > most:
            raise InputError(
                f"A training jet has {int(counts.max())} particles, expected at most "
                f"max_particles={most}: raise that, or cut the jets."
            )
        self.scale.fit_statistics(x for x, _ in seen)
        self.encoder.fit_statistics(counts)
        self.multiplicity_range.copy_(torch.stack((counts.min(), counts.max())))
        u = torch.cat([self.scale(x) for x, _ in seen]).double()
        self.shift.copy_(u.mean(0))
        self.width.copy_(u.std(0, unbiased=False).clamp(min=1e-6))
        of_jets = torch.cat([self.jet_globals(*jets) for jets in seen]).double()
        self.global_shift.copy_(of_jets.mean(0))
        self.global_width.copy_(of_jets.std(0, unbiased=False).clamp(min=_LEAST_DEVIATION))

    @torch.no_grad()
    def fit_prior(self, batches: Iterable[Any]) -> None:
        """Fit the prior to the latents of training jets, at the end of a training.

        Args:
            batches: PyG batches of training jets, with ``y`` if the network has classes, and
                ``weight`` where jets have weights.

        Raises:
            ValueError: If there are fewer jets of a class than Gaussians of the mixture.
        """
        was_training = self.training
        self.eval()
        parts: dict[str, list[Tensor]] = {}
        for batch in batches:
            mean, log_var = self.encode(batch.x, batch.ptr)
            made = {"mean": mean, "log_var": log_var, "y": batch.get("y"),
                    "jet_globals": self.jet_globals(batch.x, batch.ptr),
                    "weight": batch.get("weight")}  # fmt: skip
            for name, value in made.items():
                if value is not None:
                    parts.setdefault(name, []).append(value)
        self.train(was_training)
        if not parts:
            raise InputError("Expected training jets to fit the prior to, but got no batch.")
        joined: dict[str, Any] = {name: torch.cat(values) for name, values in parts.items()}
        if not self.n_classes:
            joined.pop("y", None)
        self.mixture.fit(**joined)

    def encode(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each jet's latent, ``[J, latent]`` each.

        Args:
            x: Particles ``[N, columns]``.
            ptr: Their pointer ``[J + 1]``.
            y: Not read.
        """
        check_finite_jets(x, ptr, "input")
        u = (self.scale(x) - self.shift) / self.width
        conditions = self._conditions(self.jet_globals(x, ptr))
        mean, log_var = self.encoder(u, ptr, conditions).chunk(2, 1)
        return mean, log_var.clamp(-12, 6)

    def _conditions(self, jet_globals: Tensor) -> Tensor:
        """The globals of jets as the networks read them."""
        return ((jet_globals - self.global_shift) / self.global_width).to(self.shift.dtype)

    def decode(
        self,
        z: Tensor,
        ptr: Tensor,
        y: Tensor | None = None,
        jet_globals: Tensor | None = None,
    ) -> Tensor:
        """Particles ``[N, columns]`` of jets with these latents.

        Args:
            z: Latents ``[J, latent]``.
            ptr: How many particles of each jet, as a pointer ``[J + 1]``.
            y: Not read.
            jet_globals: Numbers of the jets as a whole ``[J, n_globals]``. Default: as ``ptr``
                says.

        Raises:
            ValueError: If a jet has more than ``max_particles``, or latents are not finite or not
                those of the jets.
        """
        self._check_latents(z, ptr, jet_globals)
        return self.scale.particles(self._points(z, ptr, jet_globals))

    def _check_latents(self, z: Tensor, ptr: Tensor, jet_globals: Tensor | None) -> None:
        shapes = {"z": (z, self.latent), "jet_globals": (jet_globals, self.n_globals)}
        for name, (values, width) in shapes.items():
            if values is None:
                continue
            if values.shape != (len(ptr) - 1, width):
                raise InputError(
                    f"Expected {name} [{len(ptr) - 1}, {width}] of the jets that ptr has, but got "
                    f"{list(values.shape)}."
                )
            wrong = ~values.isfinite().all(1)
            if bool(wrong.any()):
                jet = int(wrong.nonzero()[0])
                raise InputError(
                    f"Jet {jet} has {name} that are not finite: {values[jet].tolist()[:5]}."
                )

    def _points(self, z: Tensor, ptr: Tensor, jet_globals: Tensor | None = None) -> Tensor:
        """The particles in the numbers that losses compare, ``[N, columns]``."""
        if jet_globals is None:
            jet_globals = ptr.diff().unsqueeze(1).to(z.dtype)
        c = torch.cat((z, self._conditions(jet_globals)), 1)
        return self.decoder(c, ptr) * self.width + self.shift

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
        mean, log_var = self.encode(x, ptr)
        z = self.draw(mean, log_var) if self.training else mean
        points = self._points(z, target_ptr, self.jet_globals(target, target_ptr))
        made = self.scale.particles(points)
        return Reconstruction(
            points, target_ptr, self.scale(target), target_ptr, made, target_ptr, target,
            target_ptr, mean, log_var, {},
        )  # fmt: skip

    @torch.no_grad()
    def reconstruct(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Jets ``(x, ptr)`` decoded from the means of their latents.

        Args:
            x: Particles ``[N, columns]``.
            ptr: Their pointer ``[J + 1]``.
            y: Not read.
        """
        mean, _ = self.encode(x, ptr)
        return self.decode(mean, ptr, jet_globals=self.jet_globals(x, ptr)), ptr

    @torch.no_grad()
    def interpolate(
        self,
        first: tuple[Tensor, Tensor],
        second: tuple[Tensor, Tensor],
        steps: int = 8,
        y: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Jets on the straight line between the latents of two, and of their globals.

        Args:
            first: Jets ``(x, ptr)``.
            second: As many others.
            steps: Number of jets from one to the other, both ends included.
            y: Not read.

        Returns:
            Particles and pointer of ``steps`` jets for each pair, one pair after the other.

        Raises:
            ValueError: For fewer than 2 steps, or different numbers of jets.
        """
        if steps < 2 or len(first[1]) != len(second[1]):
            raise InputError(
                f"Expected at least 2 steps and as many jets on both sides, but got {steps} steps, "
                f"{len(first[1]) - 1} and {len(second[1]) - 1} jets."
            )
        ends = [
            torch.cat((self.encode(*jets)[0], self.jet_globals(*jets)), 1)
            for jets in (first, second)
        ]
        share = torch.linspace(0, 1, steps, device=ends[0].device).view(1, -1, 1)
        line = torch.lerp(ends[0].unsqueeze(1), ends[1].unsqueeze(1), share).flatten(0, 1)
        z, jet_globals = line.split((self.latent, self.n_globals), 1)
        return self._of_globals(z, jet_globals)

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
            condition: The class of each ``[n_jets]``, if the network has classes.
            n: How many particles each is to have ``[n_jets]``. Default: drawn.
            generator: Of all draws.

        Returns:
            Particles ``[N, columns]`` and pointer ``[n_jets + 1]``.

        Raises:
            ValueError: If the prior is not fitted, a class was not trained, or no training jet had
                this number of particles.
        """
        y = condition if self.n_classes else None
        z, jet_globals = self.mixture.sample(n_jets, y, generator, self._given(n, n_jets))
        assert jet_globals is not None
        return self._of_globals(z, jet_globals)

    def _given(self, n: Tensor | None, n_jets: int) -> Tensor | None:
        """Globals of which the multiplicity is given, the others are to be drawn."""
        if n is None:
            return None
        self._check_seen(n, n_jets)
        jet_globals = torch.full((n_jets, self.n_globals), torch.nan, device=n.device)
        jet_globals[:, -1] = n
        return jet_globals

    def _of_globals(self, z: Tensor, jet_globals: Tensor) -> tuple[Tensor, Tensor]:
        """Jets of these latents and globals, the last of which is the multiplicity."""
        n = jet_globals[:, -1].round()
        jet_globals = torch.cat((jet_globals[:, :-1], n.unsqueeze(1)), 1)
        ptr = counts_to_ptr(n.long())
        return self.decode(z, ptr, jet_globals=jet_globals), ptr

    def log_prior(
        self, z: Tensor, y: Tensor | None = None, jet_globals: Tensor | None = None
    ) -> Tensor:
        """ln p of latents and globals of jets under the fitted prior, ``[J]``.

        Args:
            z: Latents ``[J, latent]``.
            y: Classes ``[J]``, if the network has classes.
            jet_globals: What :meth:`jet_globals` gives, ``[J, n_globals]``.

        Raises:
            ValueError: If the prior is not fitted, or a class was not trained.
        """
        return self.mixture.log_prob(z, y if self.n_classes else None, jet_globals)

    def _check_seen(self, n: Tensor, n_jets: int) -> None:
        least, most = self.multiplicity_range.tolist()
        if n_jets == 0 and n.shape == (0,):
            return
        if n.is_floating_point():
            raise InputError(f"Expected n as whole numbers, but got {n.dtype}.")
        if n.shape != (n_jets,) or bool(((n < least) | (n > most)).any()):
            raise InputError(
                f"Expected n [{n_jets}] from {least} to {most} particles, as training jets have, "
                f"but got {list(n.shape)} from {int(n.min())} to {int(n.max())}."
            )
