"""The two-sample test by a network that reads particles: a PFN of generated against real jets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.metrics import auc, bootstrap
from pyg_jets.metrics.inputs import as_numpy, jet_weights
from pyg_jets.metrics.two_sample import TwoSample, check_size, two_sample_split
from pyg_jets.nn import PFN
from pyg_jets.ops import gather

__all__ = ["LATTICES", "lattice_blur", "two_sample_auc_pfn"]

#: What a detector leaves exactly, and a continuous output never meets: the direction of a track is
#: that of its particle, and the position of a cluster is that of a cell. The width (rad, or η) by
#: which positions are blurred to hide it, by kind: tracks, photons, neutral hadrons.
LATTICES = {"track_displacement": (0.01, 0.0, 0.0), "cell_lattice": (0.0, 0.0174, 0.087)}
_SHARE = 0.7
_WEIGHT_DECAY = 1e-3


def lattice_blur(charged: Any, photon: Any, exclude: Sequence[str] = tuple(LATTICES)) -> np.ndarray:
    """How far to blur the position of each particle so that exact lattices cannot be seen.

    Uniform numbers as wide as a cell hide the place within it: the blurred position of a cell is
    distributed as that of a continuous output that is spread over the cell. The widths are those of
    the preset ``cms-like``: 0.01 for tracks, the pitch of the electromagnetic cells (0.0174) for
    photons and that of the hadronic ones (0.087) for neutral hadrons.

    Args:
        charged: Whether each particle is charged, ``[N]``.
        photon: Whether each particle is a photon, ``[N]``.
        exclude: Names of :data:`LATTICES` to hide. Default: both.

    Returns:
        The width for each particle, ``[N]`` float64, for ``blur`` of :func:`two_sample_auc_pfn`.

    Raises:
        InputError: For an unknown name, or lengths that differ.

    Examples:
        >>> lattice_blur([True, False, False], [False, True, False]).tolist()
        [0.01, 0.0174, 0.087]
    """
    is_charged, is_photon = (as_numpy(v).reshape(-1).astype(bool) for v in (charged, photon))
    if len(is_charged) != len(is_photon):
        raise InputError(
            f"Expected charged and photon of one length, but got {len(is_charged)} and "
            f"{len(is_photon)}."
        )
    names = check_names(exclude, LATTICES, "lattice")
    track, gamma, neutral = (sum(LATTICES[name][kind] for name in names) for kind in range(3))
    return np.where(is_charged, track, np.where(is_photon, gamma, neutral)).astype(np.float64)


def two_sample_auc_pfn(
    made: tuple[Any, Any],
    real: tuple[Any, Any],
    n: int | None = None,
    steps: int = 3000,
    batch: int = 256,
    seed: int = 0,
    pairs: tuple[Any, Any] | None = None,
    made_weights: Any = None,
    real_weights: Any = None,
    blur: tuple[Any, Any] | None = None,
    columns: Sequence[str] | None = None,
    width: int = 64,
    learning_rate: float = 3e-3,
    resamples: int = 100,
) -> TwoSample:
    r"""Tell generated from real jets by a particle flow network with a norm of the summed jet.

    It reads :math:`p_T, \ln p_T, \eta, \varphi` and all further columns of each particle, each
    standardised on the training particles. With ``pairs`` it reads the particles of the jet before
    the response as well, in the same sum, with one more feature that says which is which; a GEN jet
    is then never in training and test. 70 % of the jets train: a fixed number of steps of AdamW
    with a cosine to 0, each on ``batch`` jets drawn in proportion to their weights, half of them of
    each class. The other jets give the AUC.

    Args:
        made: Generated jets ``(x, ptr)``, ``x [N, F]`` with the columns pT (GeV or relative), η and
            φ relative to the jet, and others such as flags of the kind.
        real: Real jets with the same columns.
        n: Jets of each class, the first ones. Default: all.
        steps: Steps of the training. Default: 3,000.
        batch: Jets in a step. Default: 256.
        seed: Seed of the split, of the weights, of the batches and of the bootstrap.
        pairs: Jets before the response, ``(x, ptr)``, with the same columns: jet ``j`` is that of
            jet ``j`` of ``made`` and of ``real``. Default: jets are judged on their own.
        made_weights: A weight for each generated jet, not negative, ``[J]``. Default: all count the
            same.
        real_weights: A weight for each real jet, likewise.
        blur: Width by which η and φ of each particle are blurred by uniform numbers before the
            network reads them, for ``made`` and ``real``, a number or ``[N]`` each; see
            :func:`lattice_blur`. Default: they are read as they are.
        columns: Names of the columns, for the result.
        width: Width of all layers: three of Φ, two of F. Default: 64.
        learning_rate: The largest one. Default: 0.003.
        resamples: Number of bootstrap samples for the error. Default: 100.

    Returns:
        The AUC of the jets that were held out, its error, what was read, and numbers of jets.

    Raises:
        InputError: For columns that differ, a value that is not finite (the jet is named), pT below
            0, fewer than 20 jets of a class or than ``n``, pairs of another number of jets, or
            steps, batch or width below 1.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> def jets(width):
        ...     x = np.stack([rng.exponential(size=4000), *rng.normal(0, width, (2, 4000))], 1)
        ...     return x, np.arange(0, 4001, 10)
        >>> test = two_sample_auc_pfn(jets(0.2), jets(0.1), steps=100)
        >>> test.value > 0.9, test.inputs, test.n_made
        (True, ('pt', 'log pt', 'eta', 'phi'), 400)
    """
    for name, count, least in (("steps", steps, 1), ("batch", batch, 2), ("width", width, 1)):
        if count < least:
            raise InputError(f"Expected {name} of at least {least}, but got {count}.")
    generator = torch.Generator().manual_seed(seed)
    blurs = (None, None) if blur is None else blur
    samples = [
        _features(jets, what, wide, generator)
        for jets, what, wide in ((made, "generated", blurs[0]), (real, "real", blurs[1]))
    ]
    gen = None if pairs is None else _features(pairs, "GEN", None, generator)
    _check_columns([*samples, *([] if gen is None else [gen])])
    inputs = _inputs(samples[0][0].size(1), columns, blur, pairs)
    lengths = [len(ptr) - 1 for _, ptr in samples]
    if gen is not None and {len(gen[1]) - 1} != set(lengths):
        raise InputError(
            f"Expected as many generated, real and GEN jets, but got {lengths[0]}, {lengths[1]} "
            f"and {len(gen[1]) - 1}: jet j of each is the same jet."
        )
    sizes = [
        check_size(n, length, what)
        for length, what in zip(lengths, ("generated", "real"), strict=True)
    ]
    weights = [
        jet_weights(given, length, f"{what}_weights")[:size]
        for given, length, size, what in zip(
            (made_weights, real_weights), lengths, sizes, ("made", "real"), strict=True
        )
    ]
    ids = (None, None) if gen is None else tuple(np.arange(size) for size in sizes)
    trains, numbers = two_sample_split(sizes, ids, seed, _SHARE)
    x, ptr = _joined(samples, sizes, gen)
    label, weight = np.repeat([0, 1], sizes), np.concatenate(weights)
    x = _standardised(x, ptr, trains & (weight > 0))
    score = _train(
        x, ptr, label, np.where(trains, weight, 0), (steps, batch, width, learning_rate), generator
    )
    held = ~trains
    value, error = bootstrap(
        auc, score[held], label[held], resamples, seed, weight[held],
        None if numbers is None else numbers[held],
    )  # fmt: skip
    return TwoSample(value, error, inputs, *sizes)


def _features(
    jets: tuple[Any, Any], what: str, blur: Any, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """pT, ln pT, blurred η and φ, and the further columns of each particle, float32."""
    x, ptr = (torch.as_tensor(as_numpy(values)) for values in jets)
    if x.dim() != 2 or x.size(1) < 3:
        raise InputError(
            f"Expected x [N, F] of the {what} jets with F of at least 3 = (pt, eta, phi, …), but "
            f"got {list(x.shape)}."
        )
    ptr = ptr.long()
    rises = len(ptr) > 0 and ptr[0] == 0 and ptr[-1] == len(x) and bool((ptr.diff() >= 0).all())
    if not rises:
        raise InputError(
            f"Expected ptr of the {what} jets to rise from 0 to the {len(x)} particles, but got "
            f"{ptr[:3].tolist()} … {ptr[-1:].tolist()}."
        )
    wrong = ~(torch.isfinite(x).all(1) & (x[:, 0] >= 0))
    if wrong.any():
        row = int(wrong.nonzero()[0])
        jet = int(torch.searchsorted(ptr, row, right=True)) - 1
        raise InputError(
            f"The {what} jet {jet} has a particle {x[row].tolist()}: expected finite values and pT "
            "of 0 or more; look for a diverged training."
        )
    angles = x[:, 1:3].float()
    if blur is not None:
        wide = torch.as_tensor(as_numpy(blur)).float().reshape(-1, 1)
        if len(wide) not in (1, len(x)) or not (wide >= 0).all():
            raise InputError(
                f"Expected a blur of 0 or more, a number or one for each of the {len(x)} particles "
                f"of the {what} jets, but got {len(wide)} from {wide.min():g}."
            )
        angles = angles + wide * (torch.rand(angles.shape, generator=generator) - 0.5)
    pt = x[:, :1].double()
    smallest = float(pt[pt > 0].min()) if (pt > 0).any() else 1.0
    columns = pt.float(), pt.clamp(min=smallest).log().float(), angles, x[:, 3:].float()
    return torch.cat(columns, 1), ptr


def _check_columns(samples: Sequence[tuple[Tensor, Tensor]]) -> None:
    widths = {x.size(1) - 1 for x, _ in samples}
    if len(widths) > 1:
        raise InputError(f"Expected jets with the same columns, but got {sorted(widths)} of them.")


def _joined(
    samples: Sequence[tuple[Tensor, Tensor]],
    sizes: Sequence[int],
    gen: tuple[Tensor, Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """The first jets of both classes, with the particles of GEN behind those of each jet."""
    chosen = [gather(*s, torch.arange(size)) for s, size in zip(samples, sizes, strict=True)]
    x = torch.cat([part for part, _ in chosen])
    counts = torch.cat([ptr.diff() for _, ptr in chosen])
    if gen is None:
        return x, _pointer(counts)
    before = [gather(*gen, torch.arange(size)) for size in sizes]
    x = torch.cat([x, *(part for part, _ in before)])
    x = torch.cat([x, (torch.arange(len(x)) < counts.sum()).float()[:, None]], 1)
    # jets of RECO, then those of GEN, are taken in turns
    behind = torch.cat([ptr.diff() for _, ptr in before])
    turns = torch.stack([torch.arange(len(counts)), torch.arange(len(counts)) + len(counts)], 1)
    x, ptr = gather(x, _pointer(torch.cat([counts, behind])), turns.flatten())
    return x, ptr[::2].contiguous()


def _pointer(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _standardised(x: Tensor, ptr: Tensor, trains: np.ndarray) -> Tensor:
    """Each column with the mean 0 and the deviation 1 among the particles of training jets."""
    particles = x[torch.from_numpy(np.repeat(trains, np.diff(ptr.numpy())))].double()
    if not len(particles):
        raise InputError("Expected particles in the jets of weight above 0, but all are empty.")
    deviation = particles.std(0, correction=0)
    deviation = torch.where(deviation > 1e-6 * particles.abs().amax(0), deviation, 1.0)
    return ((x - particles.mean(0)) / deviation).float()


def _train(
    x: Tensor,
    ptr: Tensor,
    label: np.ndarray,
    weight: np.ndarray,
    settings: tuple[int, int, int, float],
    generator: torch.Generator,
) -> np.ndarray:
    """The logit of each jet, by a network trained on jets of weight above 0, ``[J]``."""
    steps, batch, width, learning_rate = settings
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        network = PFN(x.size(1), (width,) * 3, (width,) * 2, norm=True)
    optimizer = torch.optim.AdamW(
        network.parameters(), learning_rate, weight_decay=_WEIGHT_DECAY, fused=True
    )
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    drawn = [torch.from_numpy(np.flatnonzero((label == c) & (weight > 0))) for c in (0, 1)]
    if not all(map(len, drawn)):
        raise InputError("Expected training jets of weight above 0 of both classes.")
    cumulated = [torch.from_numpy(weight).double()[rows].cumsum(0) for rows in drawn]
    wanted = torch.cat([torch.zeros(batch // 2), torch.ones(batch // 2)])
    for _ in range(steps):
        rows = []
        for jets, sums in zip(drawn, cumulated, strict=True):
            at = torch.rand(batch // 2, generator=generator, dtype=torch.float64) * sums[-1]
            rows.append(jets[torch.searchsorted(sums, at).clamp(max=len(jets) - 1)])
        logits = network(*gather(x, ptr, torch.cat(rows))).flatten()
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(logits, wanted).backward()
        optimizer.step()
        cosine.step()
    network.eval()
    with torch.no_grad():
        chunks = torch.arange(len(label)).split(4096)
        scores = [network(*gather(x, ptr, chunk)).flatten() for chunk in chunks]
    return torch.cat(scores).numpy()


def _inputs(width: int, columns: Sequence[str] | None, blur: Any, pairs: Any) -> tuple[str, ...]:
    """What the network reads, in words."""
    given = tuple(columns or ())
    if columns is not None and len(given) != width - 1:
        raise InputError(
            f"Expected names of the {width - 1} columns, but got {len(given)}: {', '.join(given)}."
        )
    pt, eta, phi, *others = given or ("pt", "eta", "phi", *map(str, range(3, width - 1)))
    names = [pt, f"log {pt}", eta, phi, *others]
    if blur is not None:
        names.append(f"{eta} and {phi} blurred")
    return tuple(names if pairs is None else [*names, "the particles of GEN"])
