r"""The convolutional variational autoencoder on a list of fixed length, for comparison."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.utils import to_dense_batch

from pyg_jets import kinematics
from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.nn.models.vae import Reconstruction, VariationalAutoencoder, check_finite_jets
from pyg_jets.ops import counts_to_ptr, gather, ptr_to_batch, segment_topk
from pyg_jets.ops.weighted import check_weight, weighted_mean

__all__ = ["ConvVAE"]

PADDINGS = ("zero", "away", "mask")
#: Where padding lies that is put away from the jet, in deviations of each coordinate.
_AWAY = 10.0
#: The least pT (GeV) of a particle that is made.
_LEAST_PT = 1e-3
_COLUMNS, _CHANNELS, _HIDDEN, _KERNEL = 3, (50, 100, 200), 1500, 5


class ConvVAE(VariationalAutoencoder):
    r"""The convolutional autoencoder of arXiv 2109.15197, on the hardest particles of each jet.

    A jet is an image of 3 rows, the momenta (px, py, pz) of its particles, and as many columns as
    particles: it is cut, and padded, to that number. Kernels are (rows, 5), (1, 5), (1, 5), with
    50, 100 and 200 channels; then 1500 and twice the latent; the decoder is the mirror image. With
    30 particles and a latent of 30 it has 11.19 million parameters, as the source's has.

    Each coordinate is read with mean 0 and variance 1 over the training particles. What the
    network makes is scaled back, so that the Chamfer distance is one of momenta in GeV², padding
    and all, as in the source. :class:`~pyg_jets.losses.VAELoss` with ``pt=1, mass=10, kl=5000``
    is the source's loss but for a factor.

    Padding is made in one of three ways, and a slot of the list is a particle if its score is
    above a threshold:

    ========  ==========================================  ==================  =========
    padding   a slot that is padded                       score               threshold
    ========  ==========================================  ==================  =========
    ``zero``  a particle at rest                          pT (GeV)            0.1 GeV
    ``away``  10 deviations above the mean, in each row   nearness to the jet 0.5
    ``mask``  at rest, and 0 in a fourth row              the fourth row      0.5
    ========  ==========================================  ==================  =========

    :meth:`fit_multiplicity` sets the threshold so that the numbers of particles of jets that were
    not trained on come out. The mask (after arXiv 1906.06565) is a coordinate of the Chamfer
    distance, ``mask_scale`` GeV wide, and has a term of its own, ``multiplicity``: the squared
    difference between its sum and the number of particles, averaged over jets.

    Under autocast the last layers of encoder and decoder stay in float32, so that what is made is
    not rounded.

    Args:
        max_particles: Length of the list: 30, 50, 100, 150, and 13 at least.
        latent: Numbers of the latent.
        padding: ``zero``, ``away`` or ``mask``.
        mask_scale: How far padding is from particles at rest by its mask (GeV).

    Shapes:
        - **x:** ``[N, 3]`` (pT in GeV, η, φ), **ptr:** ``[J + 1]``, **target:** ``[M, 3]``,
          **target_ptr:** ``[J + 1]``; η, φ relative to an axis, or η absolute
        - **output:** a :class:`~pyg_jets.nn.models.vae.Reconstruction`, whose points (GeV) have
          their padding

    Examples:
        >>> x, ptr = torch.rand(7, 3), torch.tensor([0, 3, 7])
        >>> model = ConvVAE(30)
        >>> sum(p.numel() for p in model.parameters())
        11193661
        >>> model(x, ptr).points.shape
        torch.Size([60, 3])
    """

    shift: Tensor
    width: Tensor
    threshold: Tensor

    def __init__(
        self,
        max_particles: int = 30,
        latent: int = 30,
        padding: str = "zero",
        mask_scale: float = 10.0,
    ) -> None:
        super().__init__(latent)
        left = max_particles - 3 * (_KERNEL - 1)
        if left < 1:
            raise InputError(
                f"Expected max_particles of at least {3 * (_KERNEL - 1) + 1}, so that the kernels "
                f"fit, but got {max_particles}."
            )
        if not 0 < mask_scale < float("inf"):
            raise InputError(f"Expected mask_scale above 0 GeV, but got {mask_scale}.")
        (self.padding,) = check_names((padding,), PADDINGS, "padding")
        self.max_particles, self.mask_scale = max_particles, mask_scale
        rows = _COLUMNS + (padding == "mask")
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
            nn.ConvTranspose2d(first, 1, (rows, _KERNEL)),
        )  # fmt: skip
        self.register_buffer("shift", torch.zeros(_COLUMNS))
        self.register_buffer("width", torch.ones(_COLUMNS))
        self.register_buffer("threshold", torch.tensor(0.1 if padding == "zero" else 0.5))

    def fit_statistics(self, batches: Iterable[Any]) -> None:
        """Learn mean and deviation of each coordinate from PyG batches of training jets."""
        count, total, square = 0, torch.zeros(_COLUMNS).double(), torch.zeros(_COLUMNS).double()
        for batch in batches:
            sets = batch.get("x_target", batch.x), batch.get("x_target_ptr", batch.ptr)
            check_finite_jets(*sets, "training batch")
            momenta = _momenta(self._hardest(*sets)[0]).double().cpu()
            count, total = count + len(momenta), total + momenta.sum(0)
            square = square + momenta.square().sum(0)
        if count == 0:
            raise InputError("The jets have no particles: nothing to learn a scale from.")
        mean = total / count
        deviation = (square / count - mean.square()).clamp(min=0).sqrt()
        for name, m, s in zip(("px", "py", "pz"), mean.tolist(), deviation.tolist(), strict=True):
            if not s > 1e-7 * max(abs(m), 1):
                raise InputError(
                    f"{name} is {m:g} GeV for all particles of the training jets, expected a "
                    "spread: give jets of more than one particle."
                )
        self.shift.copy_(mean)
        self.width.copy_(deviation)

    @torch.no_grad()
    def fit_multiplicity(
        self, batches: Iterable[Any], generator: torch.Generator | None = None
    ) -> float:
        r"""Set the threshold so that the numbers of particles of jets come out.

        It is the one of 1,000 quantiles of the scores with the least :math:`W_1` between the
        numbers of particles that are made and those of the targets, each cut to the list. Jets
        count by their weights if they have any.

        Args:
            batches: PyG batches of jets that were not trained on, as those of training.
            generator: Of the draws of the latent.

        Returns:
            That distance, in particles.

        Raises:
            ValueError: If there are no jets.
        """
        scores, counts, weights = [], [], []
        for batch in batches:
            n = batch.get("x_target_ptr", batch.ptr).diff().clamp(max=self.max_particles)
            weight = batch.get("weight")
            z = self.draw(*self.encode(batch.x, batch.ptr), generator)
            scores.append(self._score(self.decode(z)).float())
            counts.append(n)
            weights.append(torch.ones_like(n) if weight is None else check_weight(weight, len(n)))
        if not scores or not sum(map(len, scores)):
            raise InputError("There are no jets to fit the number of particles of.")
        score, weight = torch.cat(scores), torch.cat(weights).double()

        def distribution(n: Tensor) -> Tensor:
            shares = torch.bincount(n, weight / weight.sum(), self.max_particles + 1)
            return shares.cumsum(0)

        wanted, ordered = distribution(torch.cat(counts)), score.flatten().sort().values
        levels = torch.linspace(0, len(ordered) - 1, 1001, dtype=torch.float64).long()
        candidates = torch.cat((ordered[:1] - 1, ordered[levels.to(ordered.device)]))
        made = torch.stack([distribution((score > t).sum(1)) for t in candidates])
        distance = (made - wanted).abs().sum(1)
        self.threshold.copy_(candidates[distance.argmin()])
        return float(distance.min())

    def _hardest(self, x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
        """The hardest particles, as many as fit, in descending order."""
        if x.dim() != 2 or x.size(1) != _COLUMNS:
            raise InputError(f"Expected x [N, 3] with (pt, eta, phi), but got {list(x.shape)}.")
        rows, ptr = segment_topk(x[:, 0], ptr, self.max_particles)
        return x[rows], ptr

    def _padded(self, x: Tensor, ptr: Tensor) -> Tensor:
        """What the network reads of particles and padding, ``[J, max_particles, rows]``."""
        u, padding = (_momenta(x) - self.shift) / self.width, -self.shift / self.width
        if self.padding == "away":
            padding = torch.full_like(padding, _AWAY)
        if self.padding == "mask":
            u = torch.cat((u, u.new_ones(len(u), 1)), 1)
            padding = torch.cat((padding, padding.new_zeros(1)))
        jet, length = ptr_to_batch(ptr), self.max_particles
        dense, real = to_dense_batch(u, jet, max_num_nodes=length, batch_size=len(ptr) - 1)
        return torch.where(real.unsqueeze(-1), dense, padding)

    def encode(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each jet's latent, ``[J, latent]`` each."""
        check_finite_jets(x, ptr, "input")
        padded = self._padded(*self._hardest(x, ptr))
        hidden = self.encoder[:-1](padded.transpose(1, 2).unsqueeze(1))
        mean, log_var = _in_float32(self.encoder[-1], hidden).chunk(2, 1)
        return mean, log_var.clamp(-12, 6)

    def decode(self, z: Tensor) -> Tensor:
        """Particles and padding as the network reads them, ``[J, max_particles, rows]``."""
        if z.dim() != 2 or z.size(1) != self.latent:
            raise InputError(f"Expected z [J, {self.latent}], but got {list(z.shape)}.")
        made: Tensor = _in_float32(self.decoder[-1], self.decoder[:-1](z))
        return made.squeeze(1).transpose(1, 2)

    def forward(
        self,
        x: Tensor,
        ptr: Tensor,
        target: Tensor | None = None,
        target_ptr: Tensor | None = None,
        y: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Reconstruction:
        """The lists again, of the same length, padding and all, from a draw of the latent."""
        target, target_ptr = self.targets(x, ptr, target, target_ptr)
        mean, log_var = self.encode(x, ptr)
        made = self.decode(self.draw(mean, log_var))
        target, target_ptr = self._hardest(target, target_ptr)
        wanted = self._padded(target, target_ptr)
        whole = torch.arange(len(ptr), device=x.device) * self.max_particles
        particles, made_ptr = self._unpadded(made)
        terms = {}
        if self.padding == "mask":
            difference = made[..., -1].sum(1) - target_ptr.diff()
            terms["multiplicity"] = weighted_mean(difference.square(), weight)
        return Reconstruction(
            self._points(made), whole, self._points(wanted), whole, particles, made_ptr,
            target, target_ptr, mean, log_var, terms,
        )  # fmt: skip

    def _points(self, u: Tensor) -> Tensor:
        """Momenta (GeV) of particles and padding, and the mask on the same scale."""
        momenta = u[..., :_COLUMNS] * self.width + self.shift
        mask = u[..., _COLUMNS:] * self.mask_scale
        return torch.cat((momenta, mask), -1).flatten(0, 1)

    def _score(self, u: Tensor) -> Tensor:
        """How much each slot is a particle, ``[J, max_particles]``."""
        if self.padding == "mask":
            return u[..., -1]
        if self.padding == "away":
            return 1 - u.mean(-1) / _AWAY
        px, py, _ = (u * self.width + self.shift).unbind(-1)
        return (px.square() + py.square()).sqrt()

    def _unpadded(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """The particles (pT, η, φ) among what was made, and their pointer."""
        real = self._score(u.detach()) > self.threshold
        px, py, pz = (u[real][:, :_COLUMNS] * self.width + self.shift).unbind(1)
        pt = (px.square() + py.square() + _LEAST_PT**2).sqrt()
        x = torch.stack((pt, (pz / pt).asinh(), torch.atan2(py, px + 1e-12)), 1)
        return x, counts_to_ptr(real.sum(1))

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
            condition: GEN jets. Default: none, as for classes, which the network does not read.
            n: Not to be chosen with a fixed length.
            generator: Of all draws.

        Returns:
            Particles ``[N, 3]`` without padding, and pointer ``[n_jets + 1]``.

        Raises:
            ValueError: If ``n`` is given.
        """
        if n is not None:
            raise InputError("A ConvVAE cannot choose n: it makes lists of one length.")
        z = self.prior(n_jets, generator)
        if condition is not None and not isinstance(condition, Tensor):
            if not isinstance(condition, tuple) or len(condition) != 2 or len(condition[1]) < 2:
                raise InputError(
                    "Expected condition as GEN jets (x, ptr), at least one, or as none, but got "
                    f"{'no jet' if isinstance(condition, tuple) else type(condition).__name__}."
                )
            x, ptr = condition
            if n_jets != len(ptr) - 1:
                x, ptr = gather(x, ptr, torch.arange(n_jets) % (len(ptr) - 1))
            z = self.draw(*self.encode(x, ptr), generator)
        return self._unpadded(self.decode(z))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.max_particles}, latent={self.latent}, "
            f"padding={self.padding!r}, mask_scale={self.mask_scale:g})"
        )


def _momenta(x: Tensor) -> Tensor:
    """(pT, η, φ) → (px, py, pz) in GeV."""
    pt, eta, phi = x.unbind(1)
    return torch.stack(kinematics.to_cartesian(pt, eta, phi, torch.zeros_like(pt))[:3], 1)


def _in_float32(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a layer without autocast: the result is not rounded to half precision."""
    with torch.autocast(x.device.type, enabled=False):
        out: Tensor = layer(x.float())
    return out
