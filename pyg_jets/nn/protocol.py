"""What a training asks of a network: the logits of a tagger, or the jets of a generator.

Any ``torch.nn.Module`` with these methods can be trained, one of your own as well: a configuration
names it by ``class_path: my_networks.MyTagger``.

Examples:
    >>> import torch
    >>> from pyg_jets.nn import GraphVAE
    >>> class Multiplicity(torch.nn.Module):
    ...     def forward(self, x, ptr, pos=None):
    ...         return ptr.diff().to(x.dtype).unsqueeze(-1)
    >>> isinstance(Multiplicity(), TaggerModel), isinstance(Multiplicity(), GeneratorModel)
    (True, False)
    >>> isinstance(GraphVAE(), GeneratorModel)
    True
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = ["GeneratorModel", "ObservablesModel", "PriorModel", "StagedModel", "TaggerModel"]


@runtime_checkable
class TaggerModel(Protocol):
    """A network that gives the logits of each jet; it is called as ``model(x, ptr, pos)``."""

    def forward(self, x: Tensor, ptr: Tensor, pos: Tensor | None = None) -> Tensor:
        """Logits ``[J, 1]`` of two classes, or ``[J, C]`` of ``C``.

        Args:
            x: Features of the particles of all jets, ``[N, F]``.
            ptr: Ragged pointer ``[J + 1]`` int64: jet j has the rows ``ptr[j]`` to ``ptr[j + 1]``.
            pos: (η, φ) of the particles relative to the jet axis (rad), ``[N, 2]``, for networks
                that find neighbours; ``None`` if the data have none.
        """


@runtime_checkable
class ObservablesModel(Protocol):
    """A tagger that can read observables of a jet too, called as ``model(x, ptr, pos, jet)``.

    Attributes:
        jet_channels: How many it reads: 0 for none, -1 for as many as it is given first.
    """

    jet_channels: int

    def forward(
        self, x: Tensor, ptr: Tensor, pos: Tensor | None = None, jet: Tensor | None = None
    ) -> Tensor:
        """Logits as a :class:`TaggerModel` gives them.

        Args:
            x: Features of the particles of all jets, ``[N, F]``.
            ptr: Ragged pointer ``[J + 1]`` int64.
            pos: (η, φ) of the particles relative to the jet axis (rad), ``[N, 2]``.
            jet: Observables of each jet, standardised, ``[J, jet_channels]``; ``None`` for a model
                that reads none.
        """


@runtime_checkable
class GeneratorModel(Protocol):
    """A variational autoencoder that makes jets, as :class:`~pyg_jets.nn.VariationalAutoencoder`.

    Attributes:
        from_gen: Whether jets are made out of jets before a detector, not out of noise.
    """

    from_gen: bool

    @property
    def physical(self) -> bool:
        """Whether the particles are (pT, η, φ), whose sum is a jet."""

    def fit_statistics(self, batches: Iterable[Any]) -> None:
        """Set what is no parameter, such as scales, from PyG batches of training jets."""

    def forward(
        self,
        x: Tensor,
        ptr: Tensor,
        target: Tensor | None = None,
        target_ptr: Tensor | None = None,
        y: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Any:
        """A :class:`~pyg_jets.nn.Reconstruction` of jets, which the loss is a function of.

        Args:
            x: Particles that the network reads, ``[N, F]``.
            ptr: Ragged pointer ``[J + 1]`` int64.
            target: Particles that it should make, ``[M, F]``. Default: those that it reads.
            target_ptr: Their pointer ``[J + 1]``.
            y: Classes of the jets, ``[J]``.
            weight: How much each jet counts in the network's own terms, ``[J]``; only given where
                jets have weights.
        """

    def encode(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each jet's latent variables, ``[J, L]`` each."""

    def sample(
        self,
        n_jets: int,
        condition: Any = None,
        n: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """New jets ``(x [N, F], ptr [J + 1])``.

        Args:
            n_jets: Number of jets.
            condition: Jets ``(x, ptr)`` for a network with ``from_gen``, else classes ``[J]``.
            n: Number of particles of each jet. Default: drawn.
            generator: Source of random numbers. Default: torch's own.
        """


@runtime_checkable
class PriorModel(Protocol):
    """A generator whose prior is fitted after a training, as :class:`~pyg_jets.nn.GraphVAE`'s."""

    def fit_prior(self, batches: Iterable[Any]) -> None:
        """Fit the prior to the latents of training jets, from PyG batches of them."""

    def log_prior(
        self, z: Tensor, y: Tensor | None = None, jet_globals: Tensor | None = None
    ) -> Tensor:
        """ln p of latents under the fitted prior, ``[J]``.

        Args:
            z: Latents ``[J, L]``.
            y: Classes ``[J]``, if the network has classes.
            jet_globals: Numbers of the jets as a whole, if the network has any.
        """


@runtime_checkable
class StagedModel(Protocol):
    """A generator that is trained by reconstructions, then by samples out of its prior.

    Attributes:
        generating: Whether the second stage has begun.
    """

    generating: bool

    def begin_generation(self) -> None:
        """Begin the second stage; calling it again changes nothing but what was seen so far."""
