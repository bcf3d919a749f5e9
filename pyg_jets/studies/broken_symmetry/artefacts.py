"""What a rotation leaves in an image, made after the detector or before it.

Half of the events stay as they are; the others are turned, once as images after the detector and
once as particles before it. Boosted trees on :func:`textures`, which say how an image is filled but
not what it shows, are trained to tell rotated images from un-rotated ones. An AUC of 0.5 says that
the rotation left no trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from pyg_jets.columns import check_names
from pyg_jets.detector import Detector, rotate, rotate_image
from pyg_jets.errors import InputError
from pyg_jets.files import write_aside
from pyg_jets.io import write_parquet
from pyg_jets.jets import JetArray
from pyg_jets.metrics import Estimate, auc, bootstrap
from pyg_jets.studies.broken_symmetry.artefact_sources import SOURCES, Source

__all__ = [
    "ANGLES",
    "FAINT",
    "FEWEST",
    "IMAGES",
    "SAMPLES",
    "TEXTURES",
    "Case",
    "measure_artefacts",
    "multiplicity",
    "textures",
]

#: Angles at which the rotations are compared (degrees). A quarter turn maps square pixels onto each
#: other, but already five degrees from it do not.
ANGLES = (5.0, 22.5, 45.0, 67.5, 85.0, 90.0)
#: Events of a source, at least: fifty of either kind for training and as many for the test.
FEWEST = 200
#: The files that a measurement leaves: an event of each case and its variants, average images.
SAMPLES, IMAGES = "samples.parquet", "images.npz"
#: Pixels below this part of the brightest one count as empty, as a detector's readout has it.
FAINT = 1e-3

_HARDEST = (1, 2, 4, 8, 16)
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_VARIANTS = 8
#: Bins along each side of an average image before the detector: two to a pixel of MNIST.
_FINE = 56

#: Names of the columns of :func:`textures`.
TEXTURES = (
    "multiplicity",
    *(f"share_of_{n}_hardest" for n in _HARDEST),
    "entropy",
    *(f"quantile_{q}" for q in _QUANTILES),
    "step_along_x",
    "step_along_y",
    "total",
)


def measure_artefacts(
    folder: str | Path,
    n_events: int = 2000,
    sources: Sequence[str] = ("toy", "jets", "digits"),
    seed: int = 1,
    data: str | Path = "data/pythia",
    n_jets: int = 600,
    angles: Sequence[float] = ANGLES,
    workers: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Measure how well rotated images are told from un-rotated ones.

    All images are made in the same way and keep their sum, so that energy that the interpolation
    loses gives nothing away. Digits, which have an upper side, get a random angle each beforehand;
    toys and jets do not, so that for them also the distribution of the events is tested.

    Args:
        folder: Where ``samples.parquet`` (an event of each case, and its eight variants) and
            ``images.npz`` (average images of each class) are written.
        n_events: Number of toys and of digits each.
        sources: Names out of ``toy, jets, digits``.
        seed: Seed of events and detector.
        data: Folder of generated jets; what is missing there is generated.
        n_jets: Number of jets.
        angles: Angles of the rotation (degrees).
        workers: Local processes for generating jets. Default: the number of cores.
        progress: Whether to show a progress bar.

    Returns:
        ``rows``, the result for each source, detector, rotation and angle; ``cases``, what was
        measured; ``faint``, the share of the brightest pixel below which one counts as empty.

    Raises:
        InputError: For an unknown source, too few events, or an angle that turns nothing.
    """
    names = check_names((sources,) if isinstance(sources, str) else sources, SOURCES, "source")
    if not names:
        raise InputError(f"Expected at least one source, but got none: take {', '.join(SOURCES)}.")
    for name, number in (("n_events", n_events), ("n_jets", n_jets)):
        whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
        if not whole or number < FEWEST:
            raise InputError(
                f"Expected {name} as a whole number of at least {FEWEST}, below which the trees "
                f"have too little to learn from, but got {number!r}."
            )
    turns = [float(angle) for angle in angles]
    if not turns or not all(0 < angle < 360 for angle in turns) or len(set(turns)) < len(turns):
        raise InputError(
            f"Expected different angles between 0 and 360 degrees, but got {list(angles)}."
        )
    made: list[Source] = [
        SOURCES[name](n_jets, seed, data=data, workers=workers)
        if name == "jets"
        else SOURCES[name](n_events, seed)
        for name in names
    ]
    rows: list[dict[str, Any]] = []
    cases: list[dict[str, Any]] = []
    samples: list[JetArray] = []
    images: dict[str, np.ndarray] = {}
    total = sum(source.n_events * len(source.detectors) for source in made)
    with tqdm(total=total, unit="event", disable=not progress) as bar, threadpool_limits(1):
        for source in made:
            for detector in source.detectors:
                bar.set_description(f"{source.name}, {detector}")
                case = Case(source, detector, seed, turns)
                for chunk in source.chunks():
                    case.add(chunk)
                    bar.update(len(chunk))
                rows += case.rows()
                samples.append(case.sample(len(cases)))
                cases.append(case.described())
                images |= case.averages()
    write_parquet(JetArray.concatenate(samples), Path(folder) / SAMPLES)
    with write_aside(Path(folder) / IMAGES) as part:
        np.savez_compressed(part, **images)  # type: ignore[arg-type]
    return {"rows": rows, "cases": cases, "faint": FAINT}


class Case:
    """Textures of the images of a source's events, and its average images.

    It keeps numbers of the events, not the events, so many of them take little memory.

    Args:
        source: The events.
        name: A preset of :class:`~pyg_jets.detector.Detector`.
        seed: Seed of the detector, of the events' own angles and of the classifier.
        angles: Angles of the rotation (degrees).
    """

    def __init__(self, source: Source, name: str, seed: int, angles: Sequence[float]):
        self.source, self.name, self.seed, self.angles = source, name, seed, angles
        self.detector = Detector.preset(name)
        self.rng = np.random.default_rng(seed)
        self.unrotated: list[np.ndarray] = []
        self.rotated: dict[tuple[str, float], list[np.ndarray]] = {}
        n_classes, image = len(source.classes), self.detector.image
        self.sums = {"before": np.zeros((n_classes, _FINE, _FINE)),
                     "after": np.zeros((n_classes, *image))}  # fmt: skip
        self.counts = np.zeros(n_classes, np.int64)

    def add(self, jets: JetArray) -> None:
        """Look at some more events: every second one is turned."""
        oriented = self.source.oriented
        base = self.rng.uniform(0, 2 * np.pi, (len(jets), 1)) * oriented
        detected = self._detect(jets, base)
        self._average(jets, self._detect(jets, None) if oriented else detected)
        odd = np.arange(len(jets)) % 2 == 1
        self.unrotated.append(textures(self._image(detected[~odd], 0.0)))
        for degrees in self.angles:
            angle = np.radians(degrees)
            first = self._detect(jets[odd], base[odd] + angle)
            for rotation, images in (
                ("after", self._image(detected[odd], angle)),
                ("before", self._image(first, 0.0)),
            ):
                self.rotated.setdefault((rotation, degrees), []).append(textures(images))

    def _detect(self, jets: JetArray, angles: np.ndarray | None) -> JetArray:
        return _about_axis(self.detector.simulate(jets, self.seed, angles), self.detector.axis)

    def _image(self, detected: JetArray, angle: float) -> np.ndarray:
        image, radius = self.detector.image, self.source.radius
        turned = rotate_image(detected, [angle], image, radius, "origin", renormalise=True)
        return _pixels(turned, image, radius)

    def _average(self, jets: JetArray, detected: JetArray) -> None:
        labels, radius = np.asarray(jets.labels), self.source.radius
        fine = _pixels(_about_axis(jets, self.detector.axis), (_FINE, _FINE), radius)
        np.add.at(self.sums["before"], labels, fine)
        np.add.at(self.sums["after"], labels, _pixels(detected, self.detector.image, radius))
        self.counts += np.bincount(labels, minlength=len(self.counts))

    def averages(self) -> dict[str, np.ndarray]:
        """Mean images of each class, ``[C, n, m]``, under the names of the file's arrays."""
        count = np.maximum(self.counts, 1)[:, None, None]
        return {
            f"{self.source.name}.{self.name}.{when}": (total / count).astype(np.float32)
            for when, total in self.sums.items()
        }

    def described(self) -> dict[str, Any]:
        """What a picture has to know."""
        return {
            "source": self.source.name,
            "detector": self.name,
            "image": list(self.detector.image),
            "radius": self.source.radius,
            "classes": list(self.source.classes),
            "events": self.counts.tolist(),
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """The result for each rotation and angle."""
        before = np.concatenate(self.unrotated)
        for (rotation, degrees), parts in self.rotated.items():
            after = np.concatenate(parts)
            area, ratio = _separation(before, after, self.seed), _ratio(after[:, 0], before[:, 0])
            yield {
                "source": self.source.name,
                "detector": self.name,
                "rotation": rotation,
                "angle": degrees,
                "auc": area.value,
                "auc_error": area.error,
                "multiplicity_ratio": ratio.value,
                "multiplicity_ratio_error": ratio.error,
                "n_events": len(before) + len(after),
            }

    def sample(self, row: int) -> JetArray:
        """One event at eight angles: turned, turned and detected, detected and turned."""
        axis, image, radius = self.detector.axis, self.detector.image, self.source.radius
        turned = _about_axis(rotate(self.source.outline, _VARIANTS, axis), axis)
        steps = np.arange(_VARIANTS)[None] * (2 * np.pi / _VARIANTS)
        detected = self._detect(self.source.example, steps)
        warped = rotate_image(detected[0], _VARIANTS, image, radius, "origin", renormalise=True)
        kinds = [
            replace(jets, jets={
                "row": np.full(len(jets), row), "kind": np.full(len(jets), kind),
                "angle": jets.jets["angle"],
            })
            for kind, jets in enumerate((turned, detected, warped))
        ]  # fmt: skip
        return JetArray.concatenate(kinds)


def _about_axis(jets: JetArray, axis: str) -> JetArray:
    """The jets with positions about their axes in place of those in the laboratory."""
    particles = np.array(jets.particles)
    columns = [jets.columns.index(name) for name in ("eta", "phi")]
    particles[:, columns] = jets.relative_positions(axis)
    return replace(jets, particles=particles)


def _pixels(jets: JetArray, shape: Sequence[int], radius: float) -> np.ndarray:
    """Images ``[J, n, m]`` of the pT within ± the radius of the origin."""
    n, m = shape
    at = np.stack([jets.column("eta"), jets.column("phi")], -1).astype(np.float64)
    a, b = np.floor((at + radius) * (np.array(shape) / (2 * radius))).astype(np.int64).T
    inside = (a >= 0) & (a < n) & (b >= 0) & (b < m)
    place = np.repeat(np.arange(len(jets)), jets.counts) * (n * m) + a * m + b
    weights = jets.column("pt")[inside]
    return np.bincount(place[inside], weights, len(jets) * n * m).reshape(-1, n, m)


def _separation(unrotated: np.ndarray, rotated: np.ndarray, seed: int) -> Estimate:
    """AUC of boosted trees, trained on the first half of each and tested on the second."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    halves = [np.array_split(one, 2) for one in (unrotated, rotated)]
    (train, labels), (test, truth) = (
        (
            np.concatenate([half[part] for half in halves]),
            np.repeat([0, 1], [len(half[part]) for half in halves]),
        )
        for part in (0, 1)
    )
    trees = HistGradientBoostingClassifier(early_stopping=False, random_state=seed)
    return bootstrap(auc, trees.fit(train, labels).decision_function(test), truth, seed=seed)


def _ratio(rotated: np.ndarray, unrotated: np.ndarray) -> Estimate:
    """Ratio of two means of different events, and its standard error."""
    above, below = rotated.mean(), unrotated.mean()
    parts = [one.std(ddof=1) / (one.mean() * len(one) ** 0.5) for one in (rotated, unrotated)]
    return Estimate(float(above / below), float(above / below * np.hypot(*parts)))


def multiplicity(images: np.ndarray) -> np.ndarray:
    """Number of pixels of each image ``[J, n, m]`` that are not empty, ``[J]``.

    Examples:
        >>> multiplicity(np.array([[[1.0, 0.5], [1e-6, 0.0]]])).tolist()
        [2]
    """
    brightest = images.max((1, 2), keepdims=True)
    return ((images > 0) & (images >= FAINT * brightest)).sum((1, 2))


def textures(images: np.ndarray) -> np.ndarray:
    """Numbers that tell how an image is filled but not what it shows, ``[J, len(TEXTURES)]``.

    All are shares of the image's sum, but for the multiplicity and the sum itself: the number of
    pixels that are not empty, the share of the hardest ones, the entropy, quantiles over the pixels
    that are not empty, and the mean difference between neighbours along either axis.

    Args:
        images: Images ``[J, n, m]``, none negative; an image may be empty.

    Examples:
        >>> images = np.zeros((1, 4, 4))
        >>> images[0, 1, 1:3] = 3.0, 1.0
        >>> dict(zip(TEXTURES, textures(images)[0].round(2).tolist()))["share_of_1_hardest"]
        0.75
    """
    total = images.sum((1, 2), dtype=np.float64)
    share = images / np.where(total > 0, total, 1)[:, None, None]
    flat = -np.sort(-share.reshape(len(images), -1), axis=1)
    count = multiplicity(images)
    running = np.cumsum(flat, axis=1)
    hardest = [running[:, min(n, flat.shape[1]) - 1] for n in _HARDEST]
    entropy = -(flat * np.log(np.where(flat > 0, flat, 1))).sum(1)
    rows = np.arange(len(images))
    ranked = [flat[rows, np.rint((1 - q) * np.maximum(count - 1, 0)).astype(int)]
              for q in _QUANTILES]  # fmt: skip
    steps = [np.abs(np.diff(share, axis=axis)).mean((1, 2)) for axis in (1, 2)]
    return np.stack([count, *hardest, entropy, *ranked, *steps, total], -1)
