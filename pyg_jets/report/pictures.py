"""The figures of a comparison as PNG, each with what a screen reader says of it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pyg_jets.jets import JetArray
from pyg_jets.report.compare import Comparison
from pyg_jets.report.describe import is_toy, radius
from pyg_jets.report.figures.images import average_images, draw_images
from pyg_jets.report.figures.jet import draw_jet, draw_variants
from pyg_jets.report.figures.roc import draw_roc
from pyg_jets.report.figures.scores import draw_scores, scores_size
from pyg_jets.report.figures.style import png
from pyg_jets.report.figures.training import draw_training, training_size, with_history
from pyg_jets.report.load import Run
from pyg_jets.report.numbers import class_name, estimate
from pyg_jets.report.samples import Variants, label_of, pairs, showpiece, variants

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "picture", "pictures"]


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Args:
        kind: Which figure, by which the page knows its caption.
        png: The file's bytes.
        alt: What it shows, in words.
        width: Its width on the page (pixels).
        height: Its height on the page (pixels).
        facts: Numbers for the caption.
    """

    kind: str
    png: bytes
    alt: str
    width: int
    height: int
    facts: dict[str, object]

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
    """Draw a figure.

    Args:
        kind: Which figure.
        draw: What draws it.
        size: Its width and height (inches).
        alt: What it shows, in words.
        **facts: Numbers for the caption.
    """
    width, height = (round(100 * side) for side in size)
    return Picture(kind, png(draw, *size), alt, width, height, facts)


def pictures(compared: Comparison) -> dict[str, Picture]:
    """All figures that the runs have the files for."""
    found = [_roc(compared), _scores(compared), *_training(compared), *_of_jets(compared)]
    return {one.kind: one for one in found}


def _roc(compared: Comparison) -> Picture:
    known = "; ".join(f"{one.title}: AUC {estimate(one.auc)}" for one in compared.networks)
    names = ", ".join(one.title for one in compared.baselines) or "no baselines"
    alt = f"Background rejection against signal efficiency. {known}. In grey: {names}."
    return picture("roc", partial(draw_roc, compared=compared), (7.2, 5.2), alt)


def _scores(compared: Comparison) -> Picture:
    background, signal = (f"{class_name(name)} jets" for name in compared.run.classes)
    draw = partial(draw_scores, networks=compared.networks, classes=(background, signal))
    alt = f"Histograms of the score of {background} and of {signal}, a panel for each network."
    return picture("scores", draw, scores_size(len(compared.networks)), alt)


def _training(compared: Comparison) -> Iterator[Picture]:
    if told := with_history(compared.networks):
        alt = "Training and validation loss over the epochs for each network, and validation AUC."
        yield picture("training", partial(draw_training, networks=told),
                       training_size(len(told)), alt)  # fmt: skip


def _of_jets(compared: Comparison) -> Iterator[Picture]:
    """Pictures of jets, from the first run that kept samples."""
    for one in compared.networks:
        if one.run is not None and one.run.samples is not None and len(one.run.samples):
            yield from _average(one.run, one.run.samples)
            yield from _single(one.run, one.run.samples)
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
    yield picture("images", draw, size, alt, jets=len(before))


def _single(run: Run, samples: JetArray) -> Iterator[Picture]:
    names = [class_name(name) for name in run.classes]
    found = variants(samples)
    jet = _chosen(samples, found)
    if jet is not None:
        before, after, label = jet
        draw = partial(draw_jet, before=before, after=after, radius=radius(run), toy=is_toy(run))
        alt = (
            f"Constituents of one {names[label]} jet as circles, {len(before.particles)} before "
            f"the detector and {len(after.particles)} after it."
        )
        yield picture("jet", draw, (9.6, 5.4), alt, name=names[label])
    if found is not None:
        draw = partial(draw_variants, found=found, radius=radius(run), toy=is_toy(run))
        alt = f"The same {names[found.label]} jet at {len(found.after)} angles, as detected."
        yield picture("variants", draw, (9.6, 5.3), alt, count=len(found.after))


def _chosen(samples: JetArray, found: Variants | None) -> tuple[JetArray, JetArray, int] | None:
    """The jet that is drawn alone: that with variants, else the showpiece of all."""
    before, after = pairs(samples)
    if len(before) == 0:
        return None
    if found is not None and found.after.ids[0] in before.ids:
        at = int((before.ids == found.after.ids[0]).argmax())
    else:
        at = showpiece(after, np.ones(len(after), bool))
    return before[at], after[at], label_of(after[at])
