"""One source seen by one detector: images of its events, turned after it and before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pyg_jets.detector import Detector, rotate, rotate_image
from pyg_jets.jets import JetArray
from pyg_jets.metrics import Estimate, auc, bootstrap
from pyg_jets.training.artefact_sources import Source
from pyg_jets.training.textures import textures

__all__ = ["Case"]

_VARIANTS = 8
#: Bins along each side of an average image before the detector: two to a pixel of MNIST.
_FINE = 56


class Case:
    """Textures of the images of a source's events, and its average images.

    Of what it has seen it keeps numbers alone, so many events take little memory.

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
        seen = self._seen(jets, base)
        self._average(jets, self._seen(jets, None) if oriented else seen)
        odd = np.arange(len(jets)) % 2 == 1
        self.unrotated.append(textures(self._image(seen[~odd], 0.0)))
        for degrees in self.angles:
            angle = np.radians(degrees)
            first = self._seen(jets[odd], base[odd] + angle)
            for rotation, images in (
                ("after", self._image(seen[odd], angle)),
                ("before", self._image(first, 0.0)),
            ):
                self.rotated.setdefault((rotation, degrees), []).append(textures(images))

    def _seen(self, jets: JetArray, angles: np.ndarray | None) -> JetArray:
        return _about_axis(self.detector.simulate(jets, self.seed, angles), self.detector.axis)

    def _image(self, seen: JetArray, angle: float) -> np.ndarray:
        image, radius = self.detector.image, self.source.radius
        turned = rotate_image(seen, [angle], image, radius, "origin", renormalise=True)
        return _pixels(turned, image, radius)

    def _average(self, jets: JetArray, seen: JetArray) -> None:
        labels, radius = np.asarray(jets.labels), self.source.radius
        fine = _pixels(_about_axis(jets, self.detector.axis), (_FINE, _FINE), radius)
        np.add.at(self.sums["before"], labels, fine)
        np.add.at(self.sums["after"], labels, _pixels(seen, self.detector.image, radius))
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
            told, ratio = _told_apart(before, after, self.seed), _ratio(after[:, 0], before[:, 0])
            yield {
                "source": self.source.name,
                "detector": self.name,
                "rotation": rotation,
                "angle": degrees,
                "auc": told.value,
                "auc_error": told.error,
                "multiplicity_ratio": ratio.value,
                "multiplicity_ratio_error": ratio.error,
                "n_events": len(before) + len(after),
            }

    def sample(self, row: int) -> JetArray:
        """One event at eight angles: turned, turned and detected, detected and turned."""
        axis, image, radius = self.detector.axis, self.detector.image, self.source.radius
        turned = _about_axis(rotate(self.source.outline, _VARIANTS, axis), axis)
        steps = np.arange(_VARIANTS)[None] * (2 * np.pi / _VARIANTS)
        detected = self._seen(self.source.example, steps)
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


def _told_apart(unrotated: np.ndarray, rotated: np.ndarray, seed: int) -> Estimate:
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
