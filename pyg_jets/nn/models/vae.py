r"""What variational autoencoders of jets share: the latent, and what a reconstruction is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_jets.errors import InputError

__all__ = ["Reconstruction", "VariationalAutoencoder"]


class Reconstruction(NamedTuple):
    """What an autoencoder makes of a batch of jets in training.

    Args:
        points: What was made, in the numbers that the network works on, ``[M, D]``.
        points_ptr: Its pointer, ``[J + 1]``.
        wanted: What should have been made, in the same numbers, ``[T, D]``.
        wanted_ptr: Its pointer, ``[J + 1]``.
        x: The particles that were made, as they are given, ``[M', F]``.
        ptr: Their pointer, ``[J + 1]``.
        target: The particles that should have been made, ``[T', F]``.
        target_ptr: Their pointer, ``[J + 1]``.
        mean: Means of the latent, ``[J, L]``.
        log_var: Logarithms of its variances, ``[J, L]``.
        terms: Further terms of the loss, each a scalar.
    """

    points: Tensor
    points_ptr: Tensor
    wanted: Tensor
    wanted_ptr: Tensor
    x: Tensor
    ptr: Tensor
    target: Tensor
    target_ptr: Tensor
    mean: Tensor
    log_var: Tensor
    terms: dict[str, Tensor]


class VariationalAutoencoder(nn.Module):
    """Base of the autoencoders.

    Args:
        latent: Numbers of the latent.
        n_classes: Number of classes that a jet may be asked of; 0 for none.
    """

    #: Whether jets are made from jets of before a detector.
    from_gen = False

    def __init__(self, latent: int, n_classes: int = 0) -> None:
        super().__init__()
        if latent < 1:
            raise InputError(f"Expected latent of at least 1, but got {latent}.")
        if n_classes < 0:
            raise InputError(f"Expected n_classes of at least 0, but got {n_classes}.")
        self.latent, self.n_classes = latent, n_classes

    @property
    def physical(self) -> bool:
        """Whether the particles are (pT, η, φ), whose sum is a jet."""
        scale: Any = getattr(self, "scale", None)
        return scale is None or scale.coordinates != "plain"

    def fit_statistics(self, batches: Iterable[Any]) -> None:
        """Set scales and multiplicities from PyG batches of training jets."""
        raise NotImplementedError

    def encode(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each jet's latent, ``[J, latent]`` each."""
        raise NotImplementedError

    def sample(
        self,
        n_jets: int,
        condition: Any = None,
        n: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Jets out of the prior, ``(x, ptr)``."""
        raise NotImplementedError

    @staticmethod
    def targets(
        x: Tensor, ptr: Tensor, target: Tensor | None, target_ptr: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What is to be made of jets: the target, or without one the jets themselves.

        Raises:
            ValueError: If it has other jets, a particle that is not finite, or no pointer.
        """
        if (target is None) != (target_ptr is None):
            got = "target_ptr" if target is None else "target"
            raise InputError(f"Expected target and target_ptr, or neither, but got {got} alone.")
        if target is None or target_ptr is None:
            target, target_ptr = x, ptr
        if len(ptr) != len(target_ptr):
            raise InputError(
                f"Expected input and target of the same jets, but the input has {len(ptr) - 1} and "
                f"the target {len(target_ptr) - 1}."
            )
        check_finite_jets(target, target_ptr, "target")
        return target, target_ptr

    @staticmethod
    def draw(mean: Tensor, log_var: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A latent from its distribution, with a gradient to both."""
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + noise * (0.5 * log_var).exp()

    def prior(self, n_jets: int, generator: torch.Generator | None = None) -> Tensor:
        """Latents of the unit Gaussian, ``[J, latent]``."""
        if n_jets < 0:
            raise InputError(f"Expected a number of jets of 0 or more, but got {n_jets}.")
        device = next(self.parameters()).device
        return torch.randn(n_jets, self.latent, generator=generator, device=device)

    def classes(self, y: Tensor | None, n_jets: int) -> Tensor:
        """The classes of jets as a network reads them, ``[J, n_classes]``.

        Raises:
            ValueError: If they are needed and not there, or there is no such class.
        """
        device = next(self.parameters()).device
        if self.n_classes == 0:
            return torch.zeros(n_jets, 0, device=device)
        if y is None or y.numel() != n_jets:
            got = "none" if y is None else f"{y.numel()}"
            raise InputError(f"Expected a class of each of {n_jets} jets, but got {got}.")
        y = y.flatten().long().to(device)
        if bool(((y < 0) | (y >= self.n_classes)).any()):
            raise InputError(
                f"Expected classes from 0 to {self.n_classes - 1}, but got {y.unique().tolist()}."
            )
        return F.one_hot(y, self.n_classes).float()


def check_finite_jets(x: Tensor, ptr: Tensor, what: str) -> None:
    """Refuse particles that are not finite, and a pointer that is not theirs.

    Raises:
        ValueError: If there are, naming the jet.
    """
    if x.dim() != 2 or ptr.dim() != 1 or not len(ptr) or int(ptr[-1]) != len(x):
        last = int(ptr[-1]) if ptr.dim() == 1 and len(ptr) else "none"
        raise InputError(
            f"Expected x [N, columns] of the {what} and ptr [J + 1] from 0 to N, but got "
            f"{list(x.shape)} and ptr {list(ptr.shape)} to {last}."
        )
    if bool(x.isfinite().all()):
        return
    first = int((~x.isfinite()).any(1).nonzero()[0])
    jet = int(torch.searchsorted(ptr, first, right=True)) - 1
    raise InputError(
        f"Jet {jet} of the {what} has a particle that is not finite: {x[first].tolist()}."
    )
