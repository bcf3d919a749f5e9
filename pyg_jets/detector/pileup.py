r"""`Pileup`: particles of further proton collisions laid over jets, before the detector.

In each jet's bunch crossing there are

.. math:: n \sim \mathrm{Poisson}(\mu)

further collisions. Each is an event of a pool, turned by an angle of its own about the beam; of its
particles those are added to the jet that lie within ``radius`` of the jet's axis in the plane of
rapidity and azimuth. The reference in torch comes first; a kernel does the same on the CPU.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets import kinematics
from pyg_jets.columns import CANONICAL
from pyg_jets.detector.random import PILEUP, Key, mix, philox, split_id
from pyg_jets.detector.variants import canonical_particles
from pyg_jets.errors import InputError
from pyg_jets.jets import JetArray
from pyg_jets.ops.kernel import kernel, over_jets, use_kernels
from pyg_jets.ops.pointer import counts_to_ptr

__all__ = ["Pileup", "check_mu"]

_TWO_PI = 2 * math.pi
_TURN = _TWO_PI / 2**32  # rad of a step of a 32-bit word


@dataclass(frozen=True, eq=False, repr=False)
class Pileup:
    """Pile-up from a pool of minimum-bias events, for scoring how a tagger bears it.

    The numbers of each jet depend on (seed, epoch, jet id) alone, so slices, order and threads
    change no jet. Added particles stand behind the jet's own, whose response in the detector stays
    what it is without pile-up; an empty jet has no axis, and stays empty.

    What this leaves out: jets are not clustered again, so none is split, merged or moved into the
    window, and the added area is a circle; all collisions lie at one vertex, so no charged
    particle is subtracted; there is no PUPPI, and no pile-up from other bunch crossings.

    Args:
        pool: Minimum-bias events, each a jet of this array, with the canonical columns; from
            :func:`pyg_jets.events.minimum_bias.generate_pool`.
        mu: Mean number μ of further collisions, 0 or more.
        radius: Distance from a jet's axis within which particles are added: that of the jets.

    Raises:
        ValueError: For a pool without particles, a μ that is negative or not finite, or a radius
            that is not above 0.

    Examples:
        >>> pool = JetArray([[1.0, 0.1, 0.2, 0, 0, 22], [2.0, 2.5, 1, 0, 0, 22]], CANONICAL, [0, 2])
        >>> jets = JetArray([[500.0, 0.0, 0.0, 0, 0, 22]] * 2, CANONICAL, [0, 1, 2])
        >>> pileup = Pileup(pool, mu=50)
        >>> pileup
        Pileup(pool of 1 events, mu=50, radius=0.8)
        >>> both = pileup.overlay(jets, seed=1)
        >>> both.counts.tolist(), both.column("pt")[0].item(), both.column("pt")[1].item()
        ([19, 15], 500.0, 1.0)
    """

    pool: JetArray
    mu: float
    radius: float = 0.8

    def __post_init__(self) -> None:
        rows = canonical_particles(self.pool)
        if not len(rows):
            raise InputError(
                f"Expected a pool of minimum-bias events with particles, but got {self.pool!r}: "
                "generate one with pyg_jets.events.minimum_bias.generate_pool."
            )
        object.__setattr__(self, "mu", check_mu(self.mu))
        if not isinstance(self.radius, numbers.Real) or not 0 < self.radius < math.inf:
            raise InputError(f"Expected a radius above 0, but got {self.radius!r}.")
        # the particles of each event by rising rapidity, so that those near a jet stand together
        pt, eta, phi, mass = rows[:, :4].astype(np.float64).T
        y = kinematics.rapidity(pt, eta, mass)
        order = np.lexsort((y, np.repeat(np.arange(len(self.pool)), self.pool.counts)))
        events = _Events(rows[order], np.array(self.pool.ptr), y[order], phi[order])
        object.__setattr__(self, "_events", events)
        object.__setattr__(self, "_cumulative", _poisson_cumulative(self.mu))

    def __repr__(self) -> str:
        return f"Pileup(pool of {len(self.pool)} events, mu={self.mu:g}, radius={self.radius:g})"

    def overlay(
        self, jets: JetArray, seed: int = 0, epoch: int = 0, threads: int | None = None
    ) -> JetArray:
        """The jets with the particles of their pile-up behind their own.

        Args:
            jets: Jets with the canonical columns.
            seed: Seed of the random numbers.
            epoch: Number of the epoch; another epoch has other pile-up.
            threads: Number of threads at most. Default: torch's.

        Returns:
            The same jets with the canonical columns; jet columns stay those without pile-up.

        Raises:
            ValueError: For missing columns.
        """
        x, ptr = self.overlay_tensors(
            torch.from_numpy(np.array(canonical_particles(jets))),
            torch.tensor(jets.ptr),
            torch.tensor(jets.ids),
            seed,
            epoch,
            threads,
        )
        return JetArray(x.numpy(), CANONICAL, ptr.numpy(), jets.labels, jets.jets, jets.ids)

    def overlay_tensors(
        self,
        x: Tensor,
        ptr: Tensor,
        ids: Tensor,
        seed: int = 0,
        epoch: int = 0,
        threads: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`overlay`, on tensors: a kernel on the CPU, torch operations elsewhere.

        Args:
            x: Canonical columns ``[N, 6]`` float32.
            ptr: Ragged pointer ``[J + 1]`` int64.
            ids: Ids of the jets ``[J]`` int64.
            seed: Seed of the random numbers.
            epoch: Number of the epoch.
            threads: Number of threads at most. Default: torch's.

        Returns:
            Particles ``[M, 6]`` and pointer ``[J + 1]``.
        """
        pt, eta, phi, mass = x[:, :4].double().unbind(-1)
        jet_pt, jet_eta, jet_phi, jet_mass = kinematics.to_cylindrical(
            *kinematics.jet_momentum(pt, eta, phi, mass, ptr)
        )
        axes = torch.stack((kinematics.rapidity(jet_pt, jet_eta, jet_mass), jet_phi), -1)
        events, cumulative = self._events, self._cumulative  # type: ignore[attr-defined]
        arguments = x, ptr, ids, axes, events, cumulative, self.radius, mix(seed, epoch, PILEUP)
        return _overlay_kernel(*arguments, threads) if use_kernels(x) else _overlay(*arguments)


def check_mu(mu: Any) -> float:
    """Return a mean number of collisions as a float.

    Raises:
        ValueError: If it is no finite number of 0 or more.
    """
    is_number = isinstance(mu, numbers.Real) and not isinstance(mu, bool)
    if not is_number or not 0 <= mu < math.inf:
        raise InputError(
            f"Expected mu, the mean number of further collisions, as a finite number of 0 or "
            f"more, but got {mu!r}."
        )
    return float(mu)


@dataclass(frozen=True)
class _Events:
    """The pool as arrays; the particles of each event are in the order of their rapidity."""

    rows: np.ndarray  # [P, 6] float32
    ptr: np.ndarray  # [E + 1] int64
    y: np.ndarray  # [P] float64
    phi: np.ndarray  # [P] float64 (rad)


def _poisson_cumulative(mu: float) -> np.ndarray:
    """P(n ≤ 0), P(n ≤ 1), … of a Poisson distribution, as far as a 32-bit number reaches."""
    n = np.arange(math.ceil(mu + 12 * math.sqrt(mu) + 30))
    factorials = np.concatenate(([0.0], np.cumsum(np.log(n[1:]))))
    log_p = n * math.log(mu) - mu - factorials if mu > 0 else np.where(n == 0, 0.0, -np.inf)
    return np.cumsum(np.exp(log_p))


def _overlay(
    x: Tensor,
    ptr: Tensor,
    ids: Tensor,
    axes: Tensor,
    events: _Events,
    cumulative: np.ndarray,
    radius: float,
    key: Key,
) -> tuple[Tensor, Tensor]:
    """The jets with their pile-up, in torch: the reference of :func:`add_events`."""
    rows, pool_ptr, pool_y, pool_phi, table = (
        torch.from_numpy(a).to(x.device)
        for a in (events.rows, events.ptr, events.y, events.phi, cumulative)
    )
    counts = ptr.diff()
    jets = torch.arange(len(counts), device=x.device)
    # how many collisions each jet has: the first n whose cumulative probability is above a uniform
    uniform = (philox(jets * 0, jets * 0, *split_id(ids), *key)[0].double() + 0.5) * 2.0**-32
    n = torch.searchsorted(table, uniform, right=True).where(counts > 0, 0)

    # collision k of a jet: which event of the pool it is, and by which angle that is turned
    jet = jets.repeat_interleave(n)
    k = torch.arange(len(jet), device=x.device) - counts_to_ptr(n)[jet] + 1
    words = philox(k, k * 0, *split_id(ids[jet]), *key)
    event = words[0] * (len(pool_ptr) - 1) >> 32
    turn = words[1].double() * _TURN

    # the particles of all collisions that are near their jet's axis
    n = pool_ptr.diff()[event]
    collision = torch.arange(len(jet), device=x.device).repeat_interleave(n)
    number = torch.arange(len(collision), device=x.device) - counts_to_ptr(n)[collision]
    source = pool_ptr[event][collision] + number
    jet, phi = jet[collision], pool_phi[source] + turn[collision]
    distance2 = (pool_y[source] - axes[jet, 0]) ** 2 + _wrap(phi - axes[jet, 1]) ** 2
    near = distance2 < radius * radius
    added, jet = rows[source[near]], jet[near]
    added[:, 2] = _wrap(phi[near]).float()

    # each jet's own particles first
    order = torch.argsort(torch.cat((jets.repeat_interleave(counts), jet)), stable=True)
    counts = counts + torch.bincount(jet, minlength=len(counts))
    return torch.cat((x, added))[order], counts_to_ptr(counts)


def _wrap(phi: Tensor) -> Tensor:
    return phi - _TWO_PI * torch.floor(phi * (1 / _TWO_PI) + 0.5)


def _overlay_kernel(
    x: Tensor,
    ptr: Tensor,
    ids: Tensor,
    axes: Tensor,
    events: _Events,
    cumulative: np.ndarray,
    radius: float,
    key: Key,
    threads: int | None,
) -> tuple[Tensor, Tensor]:
    """The same by the kernel over threads, which first counts and then writes."""
    rows, begin = np.ascontiguousarray(x.detach().numpy()), np.ascontiguousarray(ptr.numpy())
    ids_, axes_ = np.ascontiguousarray(ids.numpy()), np.ascontiguousarray(axes.numpy())
    key_ = np.array(key, np.uint64)
    out, out_ptr = np.empty((0, len(CANONICAL)), np.float32), np.zeros(len(begin), np.int64)

    def run(start: int, stop: int) -> None:
        add_events(
            rows, begin, ids_, axes_, events.rows, events.ptr, events.y, events.phi, cumulative,
            radius, key_, start, stop, out, out_ptr,
        )  # fmt: skip

    copies = max(1, int(cumulative.searchsorted(0.5)))
    over_jets(run, begin, threads, copies)
    np.cumsum(out_ptr, out=out_ptr)
    out = np.empty((int(out_ptr[-1]), len(CANONICAL)), np.float32)
    over_jets(run, begin, threads, copies)
    return torch.from_numpy(out), torch.from_numpy(out_ptr)


@kernel
def _turned(phi: Any) -> Any:
    return phi - _TWO_PI * np.floor(phi * (1 / _TWO_PI) + 0.5)


@kernel
def _two_words(k: Any, low: Any, high: Any, k0: Any, k1: Any) -> Any:
    words = philox(k, np.uint64(0), low, high, k0, k1)
    return words[0], words[1]


@kernel
def _first_above(values: Any, begin: Any, end: Any, least: Any) -> Any:
    """Place of the first of the rising ``values[begin:end]`` above ``least``, or the end."""
    while begin < end:
        middle = (begin + end) // 2
        if values[middle] > least:
            end = middle
        else:
            begin = middle + 1
    return begin


@kernel
def add_events(
    x: Any, ptr: Any, ids: Any, axes: Any, pool: Any, pool_ptr: Any, pool_y: Any, pool_phi: Any,
    cumulative: Any, radius: Any, key: Any, start: Any, stop: Any, out: Any, out_ptr: Any,
) -> None:  # fmt: skip
    """Count the particles of the jets ``start … stop - 1`` with pile-up, or write them.

    Args:
        x, ptr, ids: The jets: canonical columns ``[N, 6]``, pointer, ids ``[J]``.
        axes: (rapidity, φ) of each jet ``[J, 2]`` float64.
        pool, pool_ptr, pool_y, pool_phi: The events, each in the order of its rapidities.
        cumulative: P(n ≤ 0), P(n ≤ 1), … of the number of collisions.
        radius: Distance from the axis within which particles are added.
        key: The two words of the key of the random numbers, uint64.
        start, stop: The range of jets.
        out: Where to write, ``[M, 6]``; with no rows, particles are only counted.
        out_ptr: Written, with no rows in ``out``: the count of jet j at j + 1. Read otherwise.
    """
    mask, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    n_events = np.uint64(len(pool_ptr) - 1)
    reach, writes = radius * (1 + 1e-9), len(out) > 0
    for j in range(start, stop):
        own = ptr[j + 1] - ptr[j]
        at = out_ptr[j] if writes else 0
        if writes:
            for i in range(own):
                for c in range(6):
                    out[at + i, c] = x[ptr[j] + i, c]
        at += own
        low, high = np.uint64(ids[j]) & mask, np.uint64(ids[j]) >> shift
        word, _ = _two_words(np.uint64(0), low, high, key[0], key[1])
        n = _first_above(cumulative, 0, len(cumulative), (np.float64(word) + 0.5) * 2.0**-32)
        for k in range(n if own else 0):
            word, step = _two_words(np.uint64(k + 1), low, high, key[0], key[1])
            event, turn = np.int64((word * n_events) >> shift), np.float64(step) * _TURN
            end = pool_ptr[event + 1]
            begin = _first_above(pool_y, pool_ptr[event], end, axes[j, 0] - reach)
            for i in range(begin, end):
                dy = pool_y[i] - axes[j, 0]
                if dy > reach:
                    break
                phi = pool_phi[i] + turn
                dphi = _turned(phi - axes[j, 1])
                if dy * dy + dphi * dphi < radius * radius:
                    if writes:
                        for c in range(6):
                            out[at, c] = pool[i, c]
                        out[at, 2] = _turned(phi)
                    at += 1
        if not writes:
            out_ptr[j + 1] = at
