"""Events on which artefacts of a rotation are measured: toys, jets, and blurred digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyg_jets import kinematics
from pyg_jets.columns import CANONICAL
from pyg_jets.datasets import PythiaJets
from pyg_jets.errors import InputError
from pyg_jets.events import toy
from pyg_jets.io.cards import sample_path
from pyg_jets.jets import JetArray

__all__ = ["SOURCES", "Source", "digits", "pythia_jets", "toys"]

# Events of a chunk: toys have 512 particles each, digits some 40,000.
_TOYS, _DIGITS = 256, 32
_PHOTON = 22.0


@dataclass(frozen=True)
class Source:
    """Events of one kind, and the detectors that look at them.

    Args:
        name: What it is called.
        detectors: Presets of :class:`~pyg_jets.detector.Detector`.
        radius: Half the width of an image.
        classes: Names of the classes, in the order of the labels.
        n_events: Number of events.
        oriented: Whether an event has an upper side. It is then turned by an angle of its own
            before the detector, so that the orientation tells nothing.
        chunks: Gives the events, some at a time, always the same ones.
        example: One event for pictures.
        outline: The same event in few enough particles to be drawn one by one.
    """

    name: str
    detectors: tuple[str, ...]
    radius: float
    classes: tuple[str, ...]
    n_events: int
    oriented: bool
    chunks: Callable[[], Iterator[JetArray]]
    example: JetArray
    outline: JetArray


def toys(n_events: int, seed: int) -> Source:
    """Events of :func:`pyg_jets.events.toy.generate`."""

    def chunks() -> Iterator[JetArray]:
        events = toy.generate(n_events, seed)
        for start in range(0, n_events, _TOYS):
            yield events[start : start + _TOYS]

    first = toy.generate(64, seed)
    one = first[int(np.argmax(first.labels == 1))]
    return Source("toy", ("toy-uniform", "toy-rect"), 1.0, ("background", "signal"), n_events,
                  False, chunks, one, one)  # fmt: skip


def pythia_jets(n_events: int, seed: int, data: str | Path, workers: int | None = None) -> Source:
    """QCD and W jets of 500 to 600 GeV at generator level, as many of each.

    Args:
        n_events: Number of jets of both classes.
        seed: Seed of the events.
        data: Folder of generated jets; what is missing there is generated.
        workers: Local processes for that. Default: the number of cores.
    """
    processes = ("qcd", "w")
    made = PythiaJets(data, processes, -(-n_events // 2), pthat=(0.8, 1.6), seed=seed,
                      detector=None, workers=workers)  # fmt: skip
    ptr, labels = made.slices["x"].numpy(), made._data.y.numpy()
    jets = JetArray(made._data.x.numpy(), CANONICAL, ptr, labels, ids=made._data.jet_id.numpy())
    each = [np.flatnonzero(labels == label) for label in range(len(processes))]
    in_turn = np.stack([of_class[: -(-n_events // 2)] for of_class in each], -1).reshape(-1)
    # classes alternate; without a shuffle each half of the measurement would hold one of them
    chosen = jets[np.random.default_rng(seed).permutation(in_turn)[:n_events]]
    one = _two_pronged(chosen)
    return Source("jets", ("cms-like", "jet-rect"), 0.8, processes, len(chosen), False,
                  lambda: iter([chosen]), one, one)  # fmt: skip


def _two_pronged(jets: JetArray) -> JetArray:
    """The W jet that is widest: its pT lies farthest from its axis on average."""
    distance = np.hypot(*jets.relative_positions().T)
    width = kinematics.jet_sum(jets.column("pt") * distance, jets.ptr)
    width /= np.maximum(kinematics.jet_sum(jets.column("pt"), jets.ptr), 1e-9)
    return jets[int(np.where(jets.labels == 1, width, -1).argmax())]


def digits(n_events: int, seed: int, blur: float = 1.5, fine: int = 8) -> Source:
    """Handwritten digits as a smooth light on the unit disk: images whose pixels are mostly filled.

    Args:
        n_events: Number of digits.
        seed: Chooses them.
        blur: Width of the Gaussian that blurs them (pixels of MNIST).
        fine: Deposits along the side of a pixel of MNIST. With 8 there are 7 along that of a cell
            of the toy detector.

    Raises:
        ValueError: For more digits than there are.
    """
    with np.load(sample_path("sparse_mnist")) as stored:
        images, labels = stored["images"], stored["labels"]
    if n_events > len(images):
        raise InputError(
            f"Expected at most {len(images)} events of digits, but got {n_events}: ask for fewer."
        )
    chosen = np.random.default_rng(seed).permutation(len(images))[:n_events]

    def chunks() -> Iterator[JetArray]:
        for start in range(0, n_events, _DIGITS):
            part = chosen[start : start + _DIGITS]
            yield _as_light(images[part], labels[part], part, blur, fine)

    first = chosen[labels[chosen] == 2][:1] if 2 in labels[chosen] else chosen[:1]
    one, outline = (
        _as_light(images[first], labels[first], first, blur, parts) for parts in (fine, 2)
    )
    return Source("digits", ("toy-uniform",), 1.0, tuple("0123456789"), n_events, True, chunks,
                  one, outline)  # fmt: skip


def _as_light(
    images: np.ndarray, labels: np.ndarray, ids: np.ndarray, blur: float, fine: int
) -> JetArray:
    """Blurred images as equally spaced deposits inside the unit disk, of sum 1 each."""
    width = images.shape[-1]
    at, pixel = (np.arange(width * fine) + 0.5) / fine, np.arange(width) + 0.5
    weights = np.exp(-((at[:, None] - pixel) ** 2) / (2 * blur**2))
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    light = weights @ images.astype(np.float32) @ weights.T
    side = 2 * at / width - 1
    y, x = np.meshgrid(-side, side, indexing="ij")
    disk = np.hypot(x, y) < 1
    particles = np.zeros((len(images), disk.sum(), len(CANONICAL)), np.float32)
    particles[..., 0] = light[:, disk] / light[:, disk].sum(1, keepdims=True)
    particles[..., 1], particles[..., 2], particles[..., -1] = x[disk], y[disk], _PHOTON
    ptr = np.arange(len(images) + 1) * int(disk.sum())
    rows = particles.reshape(-1, len(CANONICAL))
    return JetArray(rows, CANONICAL, ptr, labels.astype(np.int64), ids=ids)


#: How to make each source of so many events, with this seed.
SOURCES: dict[str, Callable[..., Source]] = {
    "toy": toys,
    "jets": pythia_jets,
    "digits": digits,
}
