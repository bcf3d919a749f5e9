r"""The convolutional variational autoencoder on a list of fixed length, for comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.utils import to_dense_batch

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.nn.layers.particle_scale import ParticleScale
from pyg_jets.nn.models.vae import Reconstruction, VariationalAutoencoder, check_finite_jets
from pyg_jets.ops import counts_to_ptr, gather, ptr_to_batch, segment_topk

__all__ = ["ConvVAE"]

PADDINGS = ("zero", "away", "mask")
#: Where padding lies that is put away from the jet, in the numbers that the network works on.
_AWAY = 10.0
_CHANNELS, _HIDDEN, _KERNEL = (50, 100, 200), 1500, 5


class ConvVAE(VariationalAutoencoder):
    r"""The convolutional autoencoder of arXiv 2109.15197, on the hardest particles of each jet.

    A jet is an image of 3 rows, one for each coordinate, and as many columns as particles: it is
    cut, and padded, to that number. Kernels are (rows, 5), (1, 5), (1, 5), with 50, 100 and 200
    channels; then 1500 and twice the latent; the decoder is the mirror image. With 30 particles and
    a latent of 30 it has 11.19 million parameters, as the source's has.

    Padding is made in one of three ways:

    - ``zero``: particles of zeros. What is made with a pT below the least of all training jets
      counts as padding.
    - ``away``: particles far from the jet. What is made beyond half the way to there is padding.
    - ``mask``: particles of zeros, and a fourth row that says which are real, which the network
      learns (after arXiv 1906.06565). What is made with a mask below one half is padding.

    Args:
        max_particles: Length of the list: 30, 50, 100, 150, and 13 at least.
        columns: Columns of a particle; 3, (pT, η, φ) relative to the jet's axis, unless
            ``coordinates`` is ``plain``.
        latent: Numbers of the latent.
        padding: ``zero``, ``away`` or ``mask``.
        coordinates: See :class:`~pyg_jets.nn.layers.particle_scale.ParticleScale`.
        scale: See there.

    Shapes:
        - **x:** ``[N, columns]``, **ptr:** ``[J + 1]``, **target:** ``[M, columns]``,
          **target_ptr:** ``[J + 1]``
        - **output:** a :class:`~pyg_jets.nn.models.vae.Reconstruction`, whose points have their
          padding

    Examples:
        >>> x, ptr = torch.rand(7, 3), torch.tensor([0, 3, 7])
        >>> model = ConvVAE(30)
        >>> sum(p.numel() for p in model.parameters())
        11193661
        >>> model(x, ptr).points.shape
        torch.Size([60, 3])
    """

    least_pt: Tensor

    def __init__(
        self,
        max_particles: int = 30,
        columns: int = 3,
        latent: int = 30,
        padding: str = "zero",
        coordinates: str = "pxpypz",
        scale: Sequence[float] | None = None,
    ) -> None:
        super().__init__(latent)
        left = max_particles - 3 * (_KERNEL - 1)
        if left < 1:
            raise InputError(
                f"Expected max_particles of at least {3 * (_KERNEL - 1) + 1}, so that the kernels "
                f"fit, but got {max_particles}."
            )
        (self.padding,) = check_names((padding,), PADDINGS, "padding")
        self.max_particles, self.columns = max_particles, columns
        self.scale = ParticleScale(coordinates, scale, columns)
        rows = columns + (padding == "mask")
        first, second, third = _CHANNELS
        flat = third * left
        self.encoder = nn.Sequential(
            nn.Conv2d(1, first, (rows, _KERNEL)), nn.ReLU(),
            nn.Conv2d(first, second, (1, _KERNEL)), nn.ReLU(),
            nn.Conv2d(second, third, (1, _KERNEL)), nn.ReLU(),
            nn.Flatten(), nn.Linear(flat, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 2 * latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, flat), nn.ReLU(),
            nn.Unflatten(1, (third, 1, left)),
            nn.ConvTranspose2d(third, second, (1, _KERNEL)), nn.ReLU(),
            nn.ConvTranspose2d(second, first, (1, _KERNEL)), nn.ReLU(),
            nn.ConvTranspose2d(first, 1, (rows, _KERNEL)), nn.Flatten(1, 2),
        )  # fmt: skip
        self.register_buffer("least_pt", torch.tensor(0.0))

    def fit_statistics(self, batches: Iterable[Any]) -> None:
        """Learn the scale of particles from PyG batches of training jets."""
        targets = [batch.get("x_target", batch.x) for batch in batches]
        self.scale.fit_statistics(targets)
        if self.scale.coordinates != "plain":
            self.least_pt.fill_(min(float(x[:, 0].min()) for x in targets if len(x)))

    def _cut(self, x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
        """The hardest particles, as many as fit, in descending order; of no jets, the first."""
        key = x[:, 0] if self.scale.coordinates != "plain" else x[:, -1]
        rows, ptr = segment_topk(key, ptr, self.max_particles)
        return x[rows], ptr

    def _padded(self, x: Tensor, ptr: Tensor) -> Tensor:
        """Numbers of the particles and of the padding, ``[J, max_particles, rows]``."""
        u, nothing = self.scale(x), self.scale(x.new_zeros(1, self.columns))
        if self.padding == "away":
            nothing = torch.full_like(nothing, _AWAY)
        if self.padding == "mask":
            u = torch.cat((u, u.new_ones(len(u), 1)), 1)
            nothing = torch.cat((nothing, nothing.new_zeros(1, 1)), 1)
        jet, length = ptr_to_batch(ptr), self.max_particles
        dense, _ = to_dense_batch(u - nothing, jet, max_num_nodes=length, batch_size=len(ptr) - 1)
        return dense + nothing

    def encode(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each jet's latent, ``[J, latent]`` each."""
        check_finite_jets(x, ptr, "input")
        return self._encode(self._padded(*self._cut(x, ptr)))

    def _encode(self, padded: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_var = self.encoder(padded.transpose(1, 2).unsqueeze(1)).chunk(2, 1)
        return mean, log_var.clamp(-12, 6)

    def decode(self, z: Tensor) -> Tensor:
        """Numbers of particles and padding, ``[J, max_particles, rows]``."""
        return self.decoder(z).transpose(1, 2)

    def forward(
        self,
        x: Tensor,
        ptr: Tensor,
        target: Tensor | None = None,
        target_ptr: Tensor | None = None,
        y: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Reconstruction:
        """The lists again, of the same length, padding and all."""
        target, target_ptr = self.targets(x, ptr, target, target_ptr)
        mean, log_var = self.encode(x, ptr)
        made = self.decode(self.draw(mean, log_var) if self.training else mean)
        target, target_ptr = self._cut(target, target_ptr)
        wanted = self._padded(target, target_ptr)
        whole = torch.arange(len(ptr), device=x.device) * self.max_particles
        particles, made_ptr = self._unpadded(made)
        return Reconstruction(
            made.flatten(0, 1), whole, wanted.flatten(0, 1), whole, particles, made_ptr,
            target, target_ptr, mean, log_var, {},
        )  # fmt: skip

    def _unpadded(self, made: Tensor) -> tuple[Tensor, Tensor]:
        """The physical particles among what was made, and their pointer."""
        u = made[..., : self.columns]
        if self.padding == "mask":
            real = made[..., -1] > 0.5
        elif self.padding == "away":
            real = u.mean(-1) < 0.5 * _AWAY
        elif self.scale.coordinates == "plain":
            real = (u - self.scale(u.new_zeros(1, self.columns))).norm(dim=-1) > 0.1
        else:
            pt = self.scale.particles(u.flatten(0, 1))[:, 0].view(u.shape[:2])
            real = pt >= self.least_pt
        return self.scale.particles(u[real]), counts_to_ptr(real.sum(1))

    @torch.no_grad()
    def sample(
        self,
        n_jets: int,
        condition: Any = None,
        n: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Jets out of the prior or, given GEN jets ``(x, ptr)``, out of what these leave in it.

        Args:
            n_jets: How many; if there are fewer GEN jets, these are used again in turn.
            condition: GEN jets. Default: none.
            n: Not to be chosen with a fixed length.
            generator: Of all draws.

        Returns:
            Particles ``[N, columns]`` without padding, and pointer ``[n_jets + 1]``.

        Raises:
            ValueError: If ``n`` is given.
        """
        if n is not None:
            raise InputError("A ConvVAE cannot choose n: it makes lists of one length.")
        z = self.prior(n_jets, generator)
        if condition is not None:
            x, ptr = condition
            if n_jets != len(ptr) - 1:
                x, ptr = gather(x, ptr, torch.arange(n_jets) % (len(ptr) - 1))
            z = self.draw(*self.encode(x, ptr), generator)
        return self._unpadded(self.decode(z))
