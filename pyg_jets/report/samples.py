"""Jets before and after the detector, taken from the samples that a run keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyg_jets import kinematics
from pyg_jets.jets import JetArray

__all__ = [
    "Variants",
    "aligned_positions",
    "detected",
    "label_of",
    "of_hardest",
    "pairs",
    "showpiece",
    "variants",
]


def pairs(jets: JetArray) -> tuple[JetArray, JetArray]:
    """The un-rotated jets that are there both before and after the detector, in one order."""
    before, after = (_unrotated(jets, stage) for stage in (0, 1))
    common = np.intersect1d(before.ids, after.ids)
    return before[np.isin(before.ids, common)], after[np.isin(after.ids, common)]


def detected(jets: JetArray) -> JetArray:
    """The un-rotated jets after the detector; as they are in the data set if none was simulated."""
    after = _unrotated(jets, 1)
    return after if len(after) else _unrotated(jets, 0)


def _unrotated(jets: JetArray, stage: int) -> JetArray:
    at = np.flatnonzero((jets.jets["stage"] == stage) & (jets.jets["angle"] == 0))
    _, first = np.unique(jets.ids[at], return_index=True)
    return jets[at[first]]


@dataclass(frozen=True)
class Variants:
    """One jet at several angles.

    Args:
        angles: ``[V]`` (rad).
        before: A jet for each angle before the detector, or as many as are kept.
        after: A jet for each angle, after the detector.
        label: The jet's class.
    """

    angles: np.ndarray
    before: JetArray
    after: JetArray
    label: int


def variants(jets: JetArray) -> Variants | None:
    """The rotated variants of one jet, if any has them: of the :func:`showpiece` among those."""
    rotated = np.unique(jets.ids[jets.jets["angle"] != 0])
    if not len(rotated):
        return None
    detected = _unrotated(jets, 1)
    with_variants = np.isin(detected.ids, rotated)
    if not with_variants.any():
        return None
    chosen = detected[showpiece(detected, with_variants)]
    before, after = (_by_angle(jets, chosen.ids[0], stage) for stage in (0, 1))
    return Variants(after.jets["angle"], before, after, label_of(chosen))


def showpiece(jets: JetArray, eligible: np.ndarray) -> int:
    """Index of the eligible signal jet whose hardest constituent carries least of the pT.

    Its substructure is seen best.

    Args:
        jets: The jets.
        eligible: Which may be chosen, ``[J]`` bool, at least one.
    """
    labels = np.zeros(len(jets), np.int64) if jets.labels is None else jets.labels
    pt = jets.column("pt")
    total = kinematics.jet_sum(pt, jets.ptr)
    share = np.divide(of_hardest(jets, pt), total, where=total > 0, out=np.ones(len(jets)))
    return int(np.where(eligible & (labels == labels[eligible].max()), share, 2).argmin())


def label_of(jet: JetArray) -> int:
    """The class of a JetArray of one jet; 0 if it has none."""
    return 0 if jet.labels is None else int(jet.labels[0])


def _by_angle(jets: JetArray, jet_id: int, stage: int) -> JetArray:
    at = np.flatnonzero((jets.ids == jet_id) & (jets.jets["stage"] == stage))
    _, first = np.unique(np.round(jets.jets["angle"][at], 5), return_index=True)
    return jets[at[first]]


def aligned_positions(
    before: JetArray, after: JetArray, axis: str
) -> tuple[np.ndarray, np.ndarray]:
    """(η, φ) about the jet axis, turned so that each jet's principal axis before is vertical.

    The hardest constituent before the detector lies in the upper half. Both get the turn that the
    jet has before the detector.

    Args:
        before: The jets before the detector.
        after: The same jets after it.
        axis: See :meth:`~pyg_jets.jets.JetArray.relative_positions`.
    """
    first, second = before.relative_positions(axis), after.relative_positions(axis)
    turn = np.pi / 2 - _principal_angle(before, first)
    turned = _turn(first, np.repeat(turn, before.counts))
    turn = turn + np.pi * (of_hardest(before, turned[:, 1]) < 0)
    return (
        _turn(first, np.repeat(turn, before.counts)),
        _turn(second, np.repeat(turn, after.counts)),
    )


def _principal_angle(jets: JetArray, positions: np.ndarray) -> np.ndarray:
    x, y = positions.T
    moments = np.stack((x * x - y * y, 2 * x * y), -1) * jets.column("pt")[:, None]
    difference, mixed = kinematics.jet_sum(moments, jets.ptr).T
    return 0.5 * np.arctan2(mixed, difference)


def _turn(positions: np.ndarray, angle: np.ndarray) -> np.ndarray:
    x, y = positions.T
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack((x * cos - y * sin, x * sin + y * cos), -1)


def of_hardest(jets: JetArray, values: np.ndarray) -> np.ndarray:
    """The value of each jet's constituent of largest pT; 0 for an empty jet."""
    jet = np.repeat(np.arange(len(jets)), jets.counts)
    order = np.lexsort((jets.column("pt"), jet))
    hardest = np.zeros(len(jets))
    hardest[jet[order]] = values[order]  # the last one written is the hardest
    return hardest
