r"""A prior that is fitted to the latents of training jets: Gaussian mixtures, for each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.nn.layers.gaussian_mixture import (
    choose_components,
    draw_by_component,
    fit_mixture,
    log_gaussian_terms,
    responsibilities,
)
from pyg_jets.nn.layers.quantile_transform import QuantileTransform

__all__ = ["MixturePrior"]

#: Jets whose densities are computed at once.
_CHUNK = 4096


class MixturePrior(nn.Module):
    r"""The distribution of the latents of training jets, and of variables of the whole jet.

    .. math::
        p(g, z \mid y) = p_y(g)\; p_y(z \mid g), \quad
        p_y(z \mid g) = \frac{\sum_k w_{yk}\, \mathcal{N}(g, z; \mu_{yk}, \Sigma_{yk})}
        {\sum_k w_{yk}\, \mathcal{N}(g; \mu_{yk}, \Sigma_{yk})}

    The latents of training jets fill the unit Gaussian unevenly, so that decoded draws from it are
    no jets. After a training this prior is fitted to draws of the posteriors instead (as in
    `arXiv:1903.12436 <https://arxiv.org/abs/1903.12436>`_): a mixture of Gaussians with full
    covariances for the *active* latents, whose posterior means vary, and N(0, 1) for the rest,
    which the decoder has learned to ignore.

    With ``n_globals`` variables of the jet g, such as its pT, mass and multiplicity, these are
    drawn first, from a mixture of their own: each is taken to a normal variable by its quantiles,
    so that its own distribution is right whatever its shape. The latents follow from the joint
    mixture of (g, z), *given* g. Drawn from the joint mixture itself, the sharp edges of mass and
    multiplicity would be smeared.

    All of it is kept in buffers of a fixed shape, so that ``load_state_dict`` restores it.

    Args:
        latent: Number of latents; 0 for a prior of the variables of the jet alone.
        components: Gaussians of the mixture of the latents, for each class.
        n_classes: Number of classes, each with its own mixtures; 0 for jets of one kind.
        n_globals: Number of variables of the jet.
        active: Least variance of a latent's posterior mean over jets with which it is active.
        global_components: Gaussians of the mixture of the variables of the jet, for each class.
        integers: Columns of the variables of the jet that are whole numbers.
        max_jets: Largest number of jets of a class that a mixture is fitted to, taken at random.

    Shapes:
        - **z:** ``[n, latent]``, **jet_globals:** ``[n, n_globals]``, **y:** ``[n]`` int64

    Examples:
        >>> generator = torch.Generator().manual_seed(0)
        >>> mean = 3 + torch.randn(500, 2, generator=generator) * torch.tensor([1.0, 0.0])
        >>> prior = MixturePrior(latent=2, components=1)
        >>> prior.fit(mean, torch.full((500, 2), -8.0))
        >>> prior.n_active, prior
        (1, MixturePrior(2, components=1))
        >>> z, _ = prior.sample(1000, generator=generator)
        >>> z.mean(0).round()
        tensor([3., -0.])
    """

    active: Tensor
    fitted_classes: Tensor
    weight: Tensor
    mean: Tensor
    cholesky: Tensor
    global_weight: Tensor
    global_mean: Tensor
    global_cholesky: Tensor

    def __init__(
        self,
        latent: int,
        components: int = 40,
        n_classes: int = 0,
        n_globals: int = 0,
        active: float = 0.05,
        global_components: int = 20,
        integers: Sequence[int] = (),
        max_jets: int = 20_000,
    ) -> None:
        super().__init__()
        least = {"latent": 0, "components": 1, "n_classes": 0, "n_globals": 0, "active": 0.0,
                 "global_components": 1, "max_jets": 1}  # fmt: skip
        given = locals()
        for name, lowest in least.items():
            if not given[name] >= lowest:
                raise InputError(f"Expected {name} of at least {lowest}, but got {given[name]}.")
        if any(not 0 <= column < n_globals for column in integers):
            raise InputError(
                f"Expected integers as columns from 0 to {n_globals - 1}, but got {list(integers)}."
            )
        self.latent, self.components, self.n_classes = latent, components, n_classes
        self.n_globals, self.global_components = n_globals, global_components
        self.threshold, self.integers, self.max_jets = active, tuple(integers), max_jets
        classes, both = max(n_classes, 1), n_globals + latent
        zeros, eye = torch.zeros, torch.eye
        self.register_buffer("active", zeros(latent, dtype=torch.bool))
        self.register_buffer("fitted_classes", zeros(classes, dtype=torch.bool))
        self.register_buffer("weight", zeros(classes, components))
        self.register_buffer("mean", zeros(classes, components, both))
        self.register_buffer("cholesky", eye(both).repeat(classes, components, 1, 1))
        self.register_buffer("global_weight", zeros(classes, global_components))
        self.register_buffer("global_mean", zeros(classes, global_components, n_globals))
        cholesky = eye(n_globals).repeat(classes, global_components, 1, 1)
        self.register_buffer("global_cholesky", cholesky)
        self.quantiles = QuantileTransform(classes, n_globals, self.integers)

    @property
    def fitted(self) -> bool:
        """Whether it was fitted to jets of any class."""
        return bool(self.fitted_classes.any())

    @property
    def n_active(self) -> int:
        """Number of active latents."""
        return int(self.active.sum())

    def reset_parameters(self) -> None:
        """Forget what was fitted."""
        for buffer in (self.active, self.fitted_classes):
            buffer.fill_(False)

    @torch.no_grad()
    def fit(
        self,
        mean: Tensor,
        log_var: Tensor,
        y: Tensor | None = None,
        jet_globals: Tensor | None = None,
        weight: Tensor | None = None,
        seed: int = 0,
    ) -> None:
        """Fit the mixtures to draws of the posteriors of training jets.

        Args:
            mean: Means of the posteriors, ``[J, latent]``.
            log_var: Logarithms of their variances, ``[J, latent]``.
            y: Classes ``[J]``, if there are any; a class without jets stays without a prior.
            jet_globals: Variables of the jets, ``[J, n_globals]``, if there are any.
            weight: A weight for each jet, ``[J]``, by which jets are drawn with replacement.
            seed: Seed of all draws, and of the starts of the fits.

        Raises:
            InputError: For shapes that do not fit, values that are not finite, or a class with
                fewer jets than a mixture has components.
        """
        label = self._labels(y, len(mean)).cpu()
        rng = np.random.default_rng(seed)
        means = self._checked(mean, "mean", self.latent)
        log_vars = self._checked(log_var, "log_var", self.latent, len(mean))
        of_jet = self._globals(jet_globals, len(mean)).numpy()
        share = None if weight is None else self._checked(weight, "weight", 1, len(mean))[:, 0]
        if share is not None and not share.any():
            raise InputError("Expected some weight above 0, but those of all jets are 0.")
        self.active.copy_(torch.from_numpy(_variance(means, share) > self.threshold))
        self.fitted_classes.fill_(False)
        for number in range(len(self.fitted_classes)):
            rows = np.flatnonzero(label.numpy() == number)
            if share is not None:
                total = share[rows].sum()
                if total <= 0:
                    continue
                rows = rng.choice(rows, len(rows), p=share[rows] / total)
            if len(rows):
                self._fit_class(number, means[rows], log_vars[rows], of_jet[rows], rng)

    def _fit_class(
        self,
        number: int,
        mean: np.ndarray,
        log_var: np.ndarray,
        jet_globals: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        most = max(self.components, self.global_components if self.n_globals else 0)
        if len(mean) < most:
            of_class = f" of class {number}" if self.n_classes else ""
            raise InputError(
                f"Expected at least as many jets{of_class} as a mixture has components ({most}), "
                f"but got {len(mean)}: fit more jets, or take fewer components."
            )
        chosen = rng.permutation(len(mean))[: self.max_jets]
        seed = int(rng.integers(1 << 31))
        normal = self.quantiles.fit(number, jet_globals, rng)[chosen]
        z = mean[chosen] + rng.standard_normal((len(chosen), self.latent)) * np.exp(
            0.5 * log_var[chosen]
        )
        varies, active = self.quantiles.varies[number].cpu().numpy(), self.active.cpu().numpy()
        columns = np.concatenate((varies, active))
        parts = fit_mixture(np.concatenate((normal, z), 1), columns, self.components, seed)
        for buffer, part in zip((self.weight, self.mean, self.cholesky), parts, strict=True):
            buffer[number] = torch.from_numpy(part)
        if self.n_globals:
            parts = fit_mixture(normal, varies, self.global_components, seed)
            buffers = self.global_weight, self.global_mean, self.global_cholesky
            for buffer, part in zip(buffers, parts, strict=True):
                buffer[number] = torch.from_numpy(part)
        self.fitted_classes[number] = True

    @torch.no_grad()
    def sample(
        self,
        n: int,
        y: Tensor | None = None,
        generator: torch.Generator | None = None,
        jet_globals: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Latents ``[n, latent]``, and the variables of jets ``[n, n_globals]`` or ``None``.

        Args:
            n: How many jets.
            y: Their classes ``[n]``, if there are classes.
            generator: Source of random numbers. Default: torch's own.
            jet_globals: Variables that are given, ``[n, n_globals]``; a column that is NaN for all
                jets is drawn, given the others. Default: all are drawn.

        Raises:
            InputError: If the prior is not fitted, a class was not trained, or variables are given
                for some of the jets only.
        """
        label = self._labels(y, n)
        self._check_fitted(label)
        device = self.weight.device
        given = self._given(jet_globals, n)
        z = torch.randn(n, self.latent, generator=generator, device=device)
        of_jets = z.new_zeros(n, self.n_globals)
        if jet_globals is not None:
            of_jets[:, given] = jet_globals.to(of_jets)[:, given]
        uniform = torch.rand(n, 2, generator=generator, device=device)
        normal = torch.randn(n, self.n_globals, generator=generator, device=device)
        for number, rows in _groups(label, len(self.fitted_classes)):
            few = z[rows], of_jets[rows], given, normal[rows], uniform[rows]
            z[rows], of_jets[rows] = self._sample_class(number, *few)
        return z, (of_jets if self.n_globals else None)

    def _given(self, jet_globals: Tensor | None, n: int) -> Tensor:
        """Which variables of the jets are given, ``[n_globals]``."""
        if jet_globals is None:
            return torch.zeros(self.n_globals, dtype=torch.bool)
        shape = (n, self.n_globals)
        if jet_globals.shape != shape:
            raise InputError(
                f"Expected jet_globals {list(shape)}, but got {list(jet_globals.shape)}."
            )
        drawn = jet_globals.isnan()
        if bool(jet_globals.isinf().any()) or bool((drawn.any(0) & ~drawn.all(0)).any()):
            raise InputError(
                "Expected each column of jet_globals as finite numbers, or NaN for all jets, so "
                "that it is drawn."
            )
        return ~drawn.all(0).cpu()

    def _sample_class(
        self,
        number: int,
        z: Tensor,
        of_jet: Tensor,
        given: Tensor,
        normal: Tensor,
        uniform: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The jets of a class, out of normal and uniform numbers."""
        weight, n = self.weight[number].expand(len(z), -1), self.n_globals
        if n:
            if not bool(given.all()):
                drawn = self._sample_globals(number, of_jet, given, normal, uniform[:, 0])
                of_jet = torch.where(given.to(z.device), of_jet, drawn)
            # a whole number is given to the latents as it was rounded
            normal = self.quantiles.to_normal(of_jet, number)[0].float()
            mixture = self.mean[number, :, :n], self.cholesky[number, :, :n, :n]
            weight = responsibilities(self.weight[number], *mixture, normal)
        component = choose_components(weight, uniform[:, 1])
        active = n + self.active.nonzero().flatten()
        columns = torch.cat((torch.arange(n, device=z.device), active))
        mean, cholesky = (
            self.mean[number][:, columns],
            self.cholesky[number][:, columns][:, :, columns],
        )
        noise = torch.cat((normal, z[:, active - n]), 1)
        z[:, active - n] = draw_by_component(component, noise, mean, cholesky, n)
        return z, of_jet

    def _sample_globals(
        self, number: int, of_jet: Tensor, given: Tensor, normal: Tensor, uniform: Tensor
    ) -> Tensor:
        """The variables of jets of a class, those that are not given."""
        share, n_given = self.global_weight[number], int(given.sum())
        mean, cholesky = self.global_mean[number], self.global_cholesky[number]
        if not n_given:
            component = choose_components(share.expand(len(normal), -1), uniform)
            return self.quantiles.from_normal(
                draw_by_component(component, normal, mean, cholesky), number
            )
        order = torch.cat((given.nonzero().flatten(), (~given).nonzero().flatten()))
        known = self.quantiles.to_normal(of_jet, number)[0][:, order[:n_given]].float()
        # the factors with the given columns first
        covariance = (cholesky.double() @ cholesky.double().mT)[:, order][:, :, order]
        mean, cholesky = mean[:, order], torch.linalg.cholesky(covariance).float()
        shares = responsibilities(share, mean[:, :n_given], cholesky[:, :n_given, :n_given], known)
        noise = torch.cat((known, normal[:, order[n_given:]]), 1)
        component = choose_components(shares, uniform)
        drawn = torch.zeros_like(normal)
        drawn[:, order[n_given:]] = draw_by_component(component, noise, mean, cholesky, n_given)
        return self.quantiles.from_normal(drawn, number)

    def log_prob(
        self, z: Tensor, y: Tensor | None = None, jet_globals: Tensor | None = None
    ) -> Tensor:
        """ln p of each jet's latents, and of its variables if there are any, ``[n]``.

        Whole numbers count as densities on a scale on which each has an interval of length 1; a
        variable that did not vary in training counts as certain.

        Args:
            z: Latents ``[n, latent]``.
            y: Classes ``[n]``, if there are classes.
            jet_globals: Variables of the jets ``[n, n_globals]``, if there are any.

        Raises:
            InputError: If the prior is not fitted, a class was not trained, or shapes do not fit.
        """
        if z.dim() != 2 or z.size(1) != self.latent:
            raise InputError(f"Expected z [n, {self.latent}], but got {list(z.shape)}.")
        if bool((wrong := ~z.isfinite().all(1)).any()):
            jet = int(wrong.nonzero()[0])
            raise InputError(f"Jet {jet} has a z that is not finite: {z[jet].tolist()[:5]}.")
        label = self._labels(y, len(z)).to(z.device)
        self._check_fitted(label)
        of_jet = self._globals(jet_globals, len(z), z.device)
        result = torch.zeros(len(z), dtype=torch.float64, device=z.device)
        for number, rows in _groups(label, len(self.fitted_classes)):
            parts = [
                self._log_prob_class(number, z[few], of_jet[few]) for few in rows.split(_CHUNK)
            ]
            result = result.index_put((rows,), torch.cat(parts))
        return result.to(z.dtype)

    def _log_prob_class(self, number: int, z: Tensor, jet_globals: Tensor) -> Tensor:
        normal, slope = self.quantiles.to_normal(jet_globals, number)
        varies = self.quantiles.varies[number].repeat(1)
        counts = torch.cat((varies, varies.new_ones(self.latent)))
        both = torch.cat((normal, z.double()), 1)
        terms = log_gaussian_terms(both, self.mean[number], self.cholesky[number], counts)
        log_weight = self.weight[number].double().log()
        joint = (log_weight + terms.sum(2)).logsumexp(1)
        if not self.n_globals:
            return joint
        given = (log_weight + terms[..., : self.n_globals].sum(2)).logsumexp(1)
        mixture = self.global_mean[number], self.global_cholesky[number]
        own = log_gaussian_terms(normal, *mixture, varies).sum(2)
        before = (self.global_weight[number].double().log() + own).logsumexp(1)
        return before + slope.sum(1) + joint - given

    def _labels(self, y: Tensor | None, n: int) -> Tensor:
        device = self.weight.device
        if n < 0:
            raise InputError(f"Expected a number of jets of 0 or more, but got {n}.")
        if not self.n_classes:
            return torch.zeros(n, dtype=torch.long, device=device)
        if y is not None and (not isinstance(y, Tensor) or bool((y != y.long()).any())):
            given = y.tolist()[:5] if isinstance(y, Tensor) else type(y).__name__
            raise InputError(f"Expected classes [{n}] as a tensor of whole numbers: got {given}.")
        if y is None or y.numel() != n:
            got = "none" if y is None else f"{y.numel()}"
            raise InputError(f"Expected a class of each of {n} jets, but got {got}.")
        label = y.flatten().long().to(device)
        if n and not 0 <= int(label.min()) <= int(label.max()) < self.n_classes:
            raise InputError(
                f"Expected classes from 0 to {self.n_classes - 1}, but got "
                f"{label.unique().tolist()}."
            )
        return label

    def _check_fitted(self, label: Tensor) -> None:
        if not self.fitted:
            raise InputError(
                "The prior was not fitted, so that there is nothing to draw latents from: call "
                "fit_prior(batches) of the network with training jets, or train it with the "
                "callback RefitPrior, which `pyg-jets fit` has by default."
            )
        missing = ~self.fitted_classes[label]
        if bool(missing.any()):
            trained = self.fitted_classes.nonzero().flatten().tolist()
            raise InputError(
                f"No jet of class {int(label[missing][0])} was trained: ask for a class of "
                f"{trained}, or fit the prior to jets of all classes."
            )

    def _globals(
        self, jet_globals: Tensor | None, n: int, device: torch.device | str = "cpu"
    ) -> Tensor:
        if not self.n_globals:
            return torch.zeros(n, 0, device=device)
        if jet_globals is None:
            raise InputError(f"Expected jet_globals [{n}, {self.n_globals}], but got none.")
        array = self._checked(jet_globals, "jet_globals", self.n_globals, n)
        return torch.from_numpy(array).to(device)

    @staticmethod
    def _checked(values: Tensor, name: str, width: int, n: int | None = None) -> np.ndarray:
        """Values as float64 ``[n, width]``."""
        array = values.detach().double().cpu().numpy()
        array = array.reshape(-1, 1) if name == "weight" else array
        if array.ndim != 2 or array.shape[1] != width or (n is not None and len(array) != n):
            rows = "J" if n is None else n
            raise InputError(f"Expected {name} [{rows}, {width}], but got {list(values.shape)}.")
        wrong = ~np.isfinite(array).all(1)
        if name == "weight":
            wrong |= array[:, 0] < 0
        if wrong.any():
            jet = int(np.flatnonzero(wrong)[0])
            raise InputError(f"Jet {jet} has a {name} that cannot be used: {array[jet].tolist()}.")
        return array

    def __repr__(self) -> str:
        parts = [str(self.latent), f"components={self.components}"]
        parts += [f"n_classes={self.n_classes}"] if self.n_classes else []
        if self.n_globals:
            parts += [f"n_globals={self.n_globals}", f"global_components={self.global_components}"]
        parts += [f"active={self.threshold}"] if self.threshold != 0.05 else []
        return f"{type(self).__name__}({', '.join(parts)})"


def _variance(values: np.ndarray, share: np.ndarray | None) -> np.ndarray:
    """Variance of each column, of weighted rows."""
    if not values.size:
        return np.zeros(values.shape[1])
    mean = np.average(values, axis=0, weights=share)
    return np.average((values - mean) ** 2, axis=0, weights=share)


def _groups(label: Tensor, n_classes: int) -> list[tuple[int, Tensor]]:
    """The rows of each class that there is."""
    if n_classes == 1:
        return [(0, torch.arange(len(label), device=label.device))] if len(label) else []
    numbers = label.unique().tolist()
    return [(number, (label == number).nonzero().flatten()) for number in numbers]
