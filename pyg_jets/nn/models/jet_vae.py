r"""A variational autoencoder of jets: globals first, a canonical frame, a matched four-momentum."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import Batch

from pyg_jets.errors import InputError
from pyg_jets.nn.layers.canonical_frame import canonical_frame, random_frames, to_frame
from pyg_jets.nn.layers.comparison_features import ComparisonFeatures, jet_shape
from pyg_jets.nn.layers.jet_globals import JetGlobals, jet_globals
from pyg_jets.nn.layers.jet_momentum import jet_momenta, match_jet_momentum
from pyg_jets.nn.models.graph_vae import GraphVAE
from pyg_jets.nn.models.vae import Reconstruction, check_finite_jets
from pyg_jets.ops import counts_to_ptr
from pyg_jets.ops.weighted import weighted_mean

__all__ = ["JetVAE", "Samples"]

#: ln pT, ln mass, η and φ of a jet are compared on these scales.
_MOMENTUM_SCALES = (6.0, 3.0, 20.0, 20.0)
#: The least pT and mass (GeV) that a logarithm is taken of.
_LEAST = 1e-2


class Samples(NamedTuple):
    """What the second stage of a training compares: jets out of the prior and real ones.

    Args:
        made: Features of jets out of the prior by the name of a block, each ``[A, D]``.
        real: The same of real jets, each ``[B, D]``.
        weight: A weight for each real jet, ``[B]``; ``None`` if all count the same.
        terms: Further terms of the loss, each a scalar.
    """

    made: dict[str, Tensor]
    real: dict[str, Tensor]
    weight: Tensor | None
    terms: dict[str, Tensor]


class JetVAE(GraphVAE):
    r"""A :class:`~pyg_jets.nn.GraphVAE` of jets, that is of particles (pT, η, φ) about an axis.

    It differs from its base in four ways.

    - **Globals** are the pT, the mass and the multiplicity of the jet. They are conditions of the
      encoder and of the decoder, and are sampled first, the latent given them.
    - Jets are encoded and decoded in their **canonical frame** (principal axis along η, the harder
      side positive), which leaves less to learn, and are turned and reflected at random when they
      are sampled.
    - The four-momentum of a sampled jet is **matched**: its particles are scaled and widened so
      that their sum has the pT and the mass that were drawn.
    - There is a **second stage** of training, see :meth:`begin_generation`: reconstructions of real
      jets do not make samples that are distributed like real jets, so that the decoder is then
      trained on samples out of the prior, by their energy distance from real jets
      (:class:`~pyg_jets.losses.EnergyDistanceLoss`). The callback
      :class:`~pyg_jets.training.GenerationStage` begins it.

    Args:
        latent: Numbers of the latent; those that the first stage leaves idle are noise for the
            second.
        max_particles: The largest multiplicity.
        rank: Columns of the table of seeds.
        hidden: Widths of the hidden layers of the decoder's MLP.
        encoder: ``deep_set`` or ``edge_conv``.
        encoder_hidden: Width of its layers.
        k: Neighbours of a particle in edge convolutions.
        n_classes: Number of classes, if jets are asked for by class.
        components: Gaussians of the prior's mixture, for each class.
        samples: Jets that are compared with as many real ones in a step of the second stage.
        features: What they are compared by. Default: :class:`~pyg_jets.nn.ComparisonFeatures`.

    Shapes:
        - **x:** (pT in GeV, η, φ) relative to the jets' axes, ``[N, 3]``, **ptr:** ``[J + 1]``,
          **y:** ``[J]``, **weight:** ``[J]``
        - **output:** a :class:`~pyg_jets.nn.models.vae.Reconstruction` in the canonical frame with
          the term ``jets``, the mean squared difference of ln pT, ln mass, axis, width, dispersion
          and leading share of the jet, on scales of order one; in training in the second stage
          :class:`Samples` with the term ``momentum``, the mean square of ln pT and ln mass of jets
          before they are matched over what was drawn

    Examples:
        >>> x = torch.rand(80, 3) + torch.tensor([1.0, -0.5, -0.5])
        >>> model = JetVAE(latent=2, max_particles=4, components=1, hidden=(8,), rank=4)
        >>> jets = Batch(x=x, ptr=torch.arange(0, 81, 4))
        >>> model.fit_statistics([jets])
        >>> model.fit_prior([jets])
        >>> x, ptr = model.sample(5)
        >>> x.shape, model.jet_globals(x, ptr).shape
        (torch.Size([20, 3]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        latent: int = 32,
        max_particles: int = 150,
        rank: int = 64,
        hidden: Sequence[int] = (256, 256),
        encoder: str = "deep_set",
        encoder_hidden: int = 64,
        k: int = 8,
        n_classes: int = 0,
        components: int = 60,
        samples: int = 384,
        features: ComparisonFeatures | None = None,
    ) -> None:
        super().__init__(
            3, latent, "logptasinh", None, max_particles, rank, hidden, encoder, encoder_hidden, k,
            n_classes, components,
        )  # fmt: skip
        if samples < 2:
            raise InputError(f"Expected samples of at least 2 jets, but got {samples}.")
        self.samples = samples
        self.conditions = JetGlobals()
        self.features = ComparisonFeatures(3) if features is None else features
        self.generating = False
        self._recent: deque[dict[str, Any]] = deque()

    @property
    def n_globals(self) -> int:
        """pT, mass and multiplicity."""
        return 3

    def jet_globals(self, x: Tensor, ptr: Tensor) -> Tensor:
        """pT (GeV), mass (GeV) and multiplicity of each jet in its canonical frame, ``[J, 3]``.

        A jet that is turned about its axis has another pT, since what counts as a momentum across
        the axis is φ and not η: by half the sum of z φ², a per cent of wide jets. In the canonical
        frame pT and mass are those of the jet whatever its orientation.

        Args:
            x: Particles ``[N, 3]``, in any frame.
            ptr: Their pointer ``[J + 1]``.
        """
        return jet_globals(to_frame(x, ptr, canonical_frame(x, ptr)), ptr)

    @torch.no_grad()
    def fit_statistics(self, batches: Iterable[Any]) -> None:
        """Learn scales, globals and the range of multiplicities from batches of training jets.

        Raises:
            ValueError: If there are no particles, a jet has more than ``max_particles``, or a
                coordinate is the same for all particles.
        """
        framed = []
        for batch in batches:
            check_finite_jets(batch.x, batch.ptr, "training batch")
            self.scale.raw(batch.x[:0])
            frame = canonical_frame(batch.x, batch.ptr)
            framed.append(Batch(x=to_frame(batch.x, batch.ptr, frame), ptr=batch.ptr))
        super().fit_statistics(framed)
        self.conditions.fit_statistics(jet_globals(jets.x, jets.ptr) for jets in framed)

    @torch.no_grad()
    def fit_prior(self, batches: Iterable[Any]) -> None:
        """Fit the prior to the latents of training jets.

        In the second stage the encoder does not change any more, so that nothing is done.

        Args:
            batches: PyG batches of training jets, with ``y`` if the network has classes, and
                ``weight`` where jets have weights.

        Raises:
            ValueError: If there are fewer jets of a class than Gaussians of the mixture.
        """
        if not (self.generating and self.mixture.fitted):
            super().fit_prior(batches)

    def begin_generation(self) -> None:
        """Begin the second stage: the encoder is fixed, the decoder learns from its samples.

        Raises:
            InputError: If the prior is not fitted, of which samples are drawn.
        """
        if not self.mixture.fitted:
            raise InputError(
                "The second stage trains on samples out of the prior, but that was not fitted: "
                "call fit_prior(batches) of training jets first."
            )
        self.encoder.requires_grad_(False)
        self.generating = True
        self._recent.clear()

    def _conditions(self, jet_globals: Tensor) -> Tensor:
        return self.conditions(jet_globals).to(self.shift.dtype)

    def encode(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each jet's latent, ``[J, latent]`` each.

        Args:
            x: Particles ``[N, 3]``, in any frame.
            ptr: Their pointer ``[J + 1]``.
            y: Not read.
        """
        check_finite_jets(x, ptr, "input")
        self.scale.raw(x[:0])  # other columns have no frame
        return super().encode(to_frame(x, ptr, canonical_frame(x, ptr)), ptr)

    def decode(
        self,
        z: Tensor,
        ptr: Tensor,
        y: Tensor | None = None,
        jet_globals: Tensor | None = None,
        match: bool = True,
    ) -> Tensor:
        """Particles ``[N, 3]`` of jets with these latents, in the canonical frame.

        Args:
            z: Latents ``[J, latent]``.
            ptr: How many particles of each jet, as a pointer ``[J + 1]``.
            y: Not read.
            jet_globals: pT, mass and multiplicity of the jets, ``[J, 3]``.
            match: Whether their four-momentum is matched to these.

        Raises:
            ValueError: If a jet has more than ``max_particles``, or there are no globals.
        """
        if jet_globals is None:
            raise InputError(
                "Expected jet_globals [J, 3], the pT, mass and multiplicity of the jets, but got "
                "none: jet_globals(x, ptr) gives those of jets."
            )
        self._check_latents(z, ptr, jet_globals)
        x = self.scale.particles(self._points(z, ptr, jet_globals))
        return match_globals(x, ptr, jet_globals) if match else x

    def forward(
        self,
        x: Tensor,
        ptr: Tensor,
        target: Tensor | None = None,
        target_ptr: Tensor | None = None,
        y: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Any:
        """The jets again; in training in the second stage samples beside real jets."""
        target, target_ptr = self.targets(x, ptr, target, target_ptr)
        self.scale.raw(target[:0])  # other columns have no frame
        if self.training and self.generating:
            return self._compare(target, target_ptr, y, weight)
        frame = canonical_frame(target, target_ptr)
        target = to_frame(target, target_ptr, frame)
        mean, log_var = self.encode(x, ptr)
        z = self.draw(mean, log_var) if self.training else mean
        points = self._points(z, target_ptr, jet_globals(target, target_ptr))
        made, wanted = self.scale.particles(points), self.scale(target)
        apart = _momentum_and_shape(made, target_ptr) - _momentum_and_shape(target, target_ptr)
        terms = {"jets": weighted_mean(apart.square().sum(1), weight)}
        if not self.training:  # what is kept of a test lies as the jets do
            made, target = (to_frame(x, target_ptr, frame.mT) for x in (made, target))
        return Reconstruction(
            points, target_ptr, wanted, target_ptr, made, target_ptr, target,
            target_ptr, mean, log_var, terms,
        )  # fmt: skip

    def _compare(self, x: Tensor, ptr: Tensor, y: Tensor | None, weight: Tensor | None) -> Samples:
        """Samples of the classes of recent real jets, and these, as features."""
        real = self._recent_jets(x, ptr, y, weight)
        directions = self.features.directions(device=x.device)
        y = real["y"] if self.n_classes else None
        with torch.no_grad():
            n_jets = len(real["ptr"]) - 1
            z, of_jets = self.mixture.sample(n_jets, y)
            assert of_jets is not None
        made_ptr = counts_to_ptr(of_jets[:, 2].long())
        raw = self.decode(z, made_ptr, jet_globals=of_jets, match=False)
        momenta = _logarithms(jet_momenta(raw, made_ptr)[:, :2]) - _logarithms(of_jets[:, :2])
        made = match_globals(raw, made_ptr, of_jets)
        blocks = self._blocks(made, made_ptr, of_jets, y, directions)
        with torch.no_grad():
            jets = real["x"], real["ptr"]
            truth = self._blocks(*jets, jet_globals(*jets), y, directions)
        return Samples(
            blocks, truth, real["weight"], {"momentum": momenta.square().sum(1).mean().to(x.dtype)}
        )

    def _blocks(
        self, x: Tensor, ptr: Tensor, of_jets: Tensor, y: Tensor | None, directions: Any
    ) -> dict[str, Tensor]:
        globals_and_class = self._conditions(of_jets)
        if y is not None:
            one_hot = F.one_hot(y, self.n_classes).to(globals_and_class)
            globals_and_class = torch.cat((globals_and_class, 2 * one_hot), 1)
        return self.features(self.scale(x), x, ptr, globals_and_class, directions)

    def _recent_jets(
        self, x: Tensor, ptr: Tensor, y: Tensor | None, weight: Tensor | None
    ) -> dict[str, Any]:
        """The jets of the last batches in their frames, about ``samples`` of them."""
        frame = canonical_frame(x, ptr)
        y = None if y is None else y.flatten().long()
        self._recent.append(
            {"x": to_frame(x, ptr, frame), "counts": ptr.diff(), "y": y, "weight": weight}
        )
        while sum(len(b["counts"]) for b in self._recent) - len(self._recent[0]["counts"]) >= (
            self.samples
        ):
            self._recent.popleft()
        joined: dict[str, Any] = {
            name: None
            if any(batch[name] is None for batch in self._recent)
            else torch.cat([batch[name] for batch in self._recent])
            for name in ("x", "counts", "y", "weight")
        }
        return {**joined, "ptr": counts_to_ptr(joined["counts"])}

    @torch.no_grad()
    def reconstruct(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Jets ``(x, ptr)`` decoded from the means of their latents, in the frames of the jets.

        Args:
            x: Particles ``[N, 3]``.
            ptr: Their pointer ``[J + 1]``.
            y: Not read.
        """
        mean, _ = self.encode(x, ptr)
        made = self.decode(mean, ptr, jet_globals=jet_globals(x, ptr))
        return to_frame(made, ptr, canonical_frame(x, ptr).mT), ptr

    @torch.no_grad()
    def sample(
        self,
        n_jets: int,
        condition: Tensor | None = None,
        n: Tensor | None = None,
        generator: torch.Generator | None = None,
        match: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Jets out of the prior, turned and reflected at random.

        Args:
            n_jets: How many.
            condition: The class of each ``[n_jets]``, if the network has classes.
            n: How many particles each is to have ``[n_jets]``. Default: drawn.
            generator: Of all draws.
            match: Whether the four-momentum is matched to the pT and mass that were drawn.

        Returns:
            Particles ``[N, 3]`` and pointer ``[n_jets + 1]``.

        Raises:
            ValueError: If the prior is not fitted, a class was not trained, or no training jet had
                this number of particles.
        """
        y = condition if self.n_classes else None
        z, of_jets = self.mixture.sample(n_jets, y, generator, self._given(n, n_jets))
        assert of_jets is not None
        ptr = counts_to_ptr(of_jets[:, 2].long())
        x = self.decode(z, ptr, jet_globals=of_jets, match=match)
        return to_frame(x, ptr, random_frames(n_jets, generator, x.device)), ptr


def match_globals(x: Tensor, ptr: Tensor, of_jets: Tensor) -> Tensor:
    """Jets with the pT and the mass of globals ``[J, 3]``; their axes stay where they are.

    The axis keeps its gradient: without one nothing would lead a jet back that has moved away.
    """
    axis = jet_momenta(x, ptr)[:, 2:].to(x.dtype)
    pt_and_mass = of_jets[:, :2].to(x.dtype).clamp(min=_LEAST)  # empty training jets have none
    return match_jet_momentum(x, ptr, torch.cat((pt_and_mass, axis), 1))


def _logarithms(pt_and_mass: Tensor) -> Tensor:
    return pt_and_mass.clamp(min=_LEAST).log()


def _momentum_and_shape(x: Tensor, ptr: Tensor) -> Tensor:
    """ln pT, ln mass, axis and shape of each jet, on scales of order one, ``[J, 7]``."""
    momenta = jet_momenta(x, ptr)
    momenta = torch.cat((_logarithms(momenta[:, :2]), momenta[:, 2:]), 1)
    scaled = momenta * momenta.new_tensor(_MOMENTUM_SCALES)
    return torch.cat((scaled.to(x.dtype), jet_shape(x, ptr)), 1)
