"""The figures of a comparison, each with what a screen reader says of it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.jets import JetArray
from pyg_jets.report.classes import ClassComparison
from pyg_jets.report.compare import Comparison
from pyg_jets.report.describe import is_toy, radius
from pyg_jets.report.figures.confusion import confusion_size, draw_confusion
from pyg_jets.report.figures.dependence import bins_of, dependence_size, draw_dependence
from pyg_jets.report.figures.graph import NEIGHBOURS, draw_graph
from pyg_jets.report.figures.images import average_images, draw_images
from pyg_jets.report.figures.jet import draw_jet, draw_variants
from pyg_jets.report.figures.roc import draw_roc
from pyg_jets.report.figures.scores import draw_scores, scores_size
from pyg_jets.report.figures.style import Drawing
from pyg_jets.report.figures.training import (
    Network,
    draw_training,
    have_auc,
    training_size,
    with_history,
)
from pyg_jets.report.numbers import class_name, estimate
from pyg_jets.report.samples import Variants, detected, label_of, pairs, showpiece, variants
from pyg_jets.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "picture", "picture_files", "pictures"]


@dataclass(frozen=True)
class Picture(Drawing):
    """A figure of the page.

    Args:
        draw: Draws on the figure that it is given.
        size: Width and height (inches).
        kind: Which figure, by which the page knows its caption.
        alt: What it shows, in words.
        facts: Numbers for the caption.
    """

    kind: str
    alt: str
    facts: dict[str, object]

    @property
    def width(self) -> int:
        """Width on the page (pixels)."""
        return round(100 * self.size[0])

    @property
    def height(self) -> int:
        """Height on the page (pixels)."""
        return round(100 * self.size[1])

    @property
    def uri(self) -> str:
        """The figure as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


def picture(
    kind: str,
    draw: Callable[[Figure], None],
    size: tuple[float, float],
    alt: str,
    **facts: object,
) -> Picture:
    """A figure of the page.

    Args:
        kind: Which figure.
        draw: What draws it.
        size: Its width and height (inches).
        alt: What it shows, in words.
        **facts: Numbers for the caption.
    """
    return Picture(draw, size, kind, alt, facts)


def picture_files(
    groups: Sequence[Mapping[str, Picture]], formats: Sequence[str]
) -> dict[str, bytes]:
    """The figures of a page as files by their names, those of a second group as ``roc-2.png``.

    Args:
        groups: Figures by their kind, of each group.
        formats: Formats of the files.
    """
    return {
        f"{kind}{f'-{number}' if number > 1 else ''}.{format}": picture.file(format)
        for number, group in enumerate(groups, 1)
        for kind, picture in group.items()
        for format in formats
    }


def pictures(compared: Comparison | ClassComparison) -> dict[str, Picture]:
    """All figures that the runs have the files for."""
    if isinstance(compared, ClassComparison):
        drawn = [_confusion(compared)]
    else:
        drawn = [_roc(compared), _scores(compared), *_dependence(compared)]
    drawn += [*_training(compared.networks), *_of_jets(compared.networks)]
    return {each.kind: each for each in drawn}


def _roc(compared: Comparison) -> Picture:
    areas = "; ".join(f"{n.title}: AUC {estimate(n.auc)}" for n in compared.networks)
    names = ", ".join(one.title for one in compared.baselines) or "no baselines"
    alt = f"Background rejection against signal efficiency. {areas}. In grey: {names}."
    return picture("roc", partial(draw_roc, compared=compared), (7.2, 5.2), alt)


def _scores(compared: Comparison) -> Picture:
    background, signal = (f"{class_name(name)} jets" for name in compared.run.classes)
    draw = partial(draw_scores, networks=compared.networks, classes=(background, signal))
    alt = f"Histograms of the score of {background} and of {signal}, a panel for each network."
    return picture("scores", draw, scores_size(len(compared.networks)), alt)


def _dependence(compared: Comparison) -> Iterator[Picture]:
    """Over observables that the predictions of any of the runs have: they are of the same jets."""
    observables: dict[str, np.ndarray] = {}
    for one in reversed(compared.networks):
        if one.run is not None and one.run.predictions is not None:
            observables |= one.run.predictions.observables
    if bins := bins_of(observables, compared.labels):
        draw = partial(draw_dependence, networks=compared.networks, bins=bins)
        names = " and of ".join(one.name for one in bins)
        alt = (
            "Background rejection and signal efficiency at one cut for each network, in bins of "
            f"{names}."
        )
        yield picture("dependence", draw, dependence_size(len(bins)), alt,
                       weighted=compared.networks[0].weights is not None)  # fmt: skip


def _confusion(compared: ClassComparison) -> Picture:
    names = [class_name(name) for name in compared.run.classes]
    draw = partial(draw_confusion, networks=compared.networks, names=names)
    accuracies = "; ".join(
        f"{one.title}: accuracy {estimate(one.accuracy)}" for one in compared.networks
    )
    alt = f"Share of the jets of each class that is taken for each class. {accuracies}."
    return picture("confusion", draw, confusion_size(len(compared.networks), names), alt)


def _training(networks: Sequence[Network]) -> Iterator[Picture]:
    if trained := with_history(networks):
        auc = have_auc(trained)
        alt = "Training and validation loss over the epochs for each network"
        yield picture("training", partial(draw_training, networks=trained), training_size(trained),
                      f"{alt}, and validation AUC." if auc else f"{alt}.", auc=auc)  # fmt: skip


def _of_jets(networks: Sequence[Network]) -> Iterator[Picture]:
    """Pictures of jets, from the first run that kept samples with what a picture needs."""
    for one in networks:
        samples = one.run.samples if one.run is not None else None
        if one.run is None or samples is None or not len(samples):
            continue
        if {"pt", "eta", "phi"} <= set(samples.columns):
            yield from _average(one.run, samples)
            yield from _single(one.run, samples)
            return


def _average(run: Run, samples: JetArray) -> Iterator[Picture]:
    names = [f"{class_name(name)} jets" for name in run.classes]
    before, _ = pairs(samples)
    if len(before) == 0:
        return
    half, toy = radius(run), is_toy(run)
    images = average_images(samples, half, "origin" if toy else "jet")
    draw = partial(draw_images, images=images, half=half, names=names,
                   unit="energy units" if toy else "GeV")  # fmt: skip
    alt = "Average jet image of each class before and after the detector."
    size = (7.6, 3.3 * len(images) + 0.3)
    weighted = "weight" in before.jets
    yield picture("images", draw, size, alt, jets=len(before), weighted=weighted)


def _single(run: Run, samples: JetArray) -> Iterator[Picture]:
    rotated = variants(samples)
    look: dict[str, Any] = {"radius": radius(run), "toy": is_toy(run)}
    names = [class_name(name) for name in run.classes]
    if (after := _chosen(samples, rotated)) is not None:
        before, _ = pairs(samples)
        yield from _one(before[before.ids == after.ids[0]], after, names[label_of(after)], look)
    if rotated is not None:
        draw = partial(draw_variants, rotated=rotated, **look)
        alt = f"The same {names[rotated.label]} jet at {len(rotated.after)} angles, as detected."
        yield picture("variants", draw, (9.6, 5.3), alt, count=len(rotated.after))


def _one(before: JetArray, after: JetArray, name: str, look: dict[str, Any]) -> Iterator[Picture]:
    """One jet before and after the detector, if ``before`` is not empty, and as a graph."""
    if len(before):
        draw = partial(draw_jet, before=before, after=after, **look)
        alt = (
            f"Constituents of one {name} jet as circles, {len(before.particles)} before "
            f"the detector and {len(after.particles)} after it."
        )
        yield picture("jet", draw, (9.6, 5.7), alt, name=name)
    if len(after.particles):
        draw = partial(draw_graph, jet=after, **look)
        alt = f"One {name} jet as a graph: each constituent with its {NEIGHBOURS} nearest ones."
        facts = {"name": name, "detected": len(before) > 0, "neighbours": NEIGHBOURS}
        yield picture("graph", draw, (9.6, 5.4), alt, **facts)


def _chosen(samples: JetArray, rotated: Variants | None) -> JetArray | None:
    """The jet that is drawn alone, as detected: that with variants, else the showpiece of all."""
    _, after = pairs(samples)
    if len(after) == 0:
        after = detected(samples)
    if len(after) == 0:
        return None
    if rotated is not None and rotated.after.ids[0] in after.ids:
        at = int((after.ids == rotated.after.ids[0]).argmax())
    else:
        at = showpiece(after, np.ones(len(after), bool))
    return after[at]
