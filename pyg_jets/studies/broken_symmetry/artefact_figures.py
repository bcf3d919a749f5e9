"""The figures of a measurement of artefacts, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.io import read_parquet
from pyg_jets.jets import JetArray
from pyg_jets.metrics import Estimate
from pyg_jets.report.figures.style import GREY, network_colour
from pyg_jets.report.numbers import class_name, estimate
from pyg_jets.report.pictures import Picture, picture
from pyg_jets.studies.broken_symmetry.artefacts import IMAGES, SAMPLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Shown", "artefact_pictures", "artefact_table", "load_cases"]

_COLOURS = {"after": network_colour(5), "before": network_colour(0)}
_TITLES = {
    ("toy", "toy-uniform"): "toy, 32 × 32",
    ("toy", "toy-rect"): "toy, 32 × 4",
    ("jets", "cms-like"): "jets, CMS-like",
    ("jets", "jet-rect"): "jets, 0.05 × 0.4",
    ("digits", "toy-uniform"): "blurred digits",
}


@dataclass(frozen=True)
class Shown:
    """A case as pictures show it.

    Args:
        case: Its source, detector, image, radius and classes.
        samples: The events and variants of all cases.
        row: The number of this case among them.
        curves: The results of either rotation (``"after"`` or ``"before"`` the detector), by angle.
        faint: Pixels below this part of the brightest one are neither drawn nor counted.
    """

    case: Mapping[str, Any]
    samples: JetArray
    row: int
    curves: Mapping[str, list[dict[str, Any]]]
    faint: float = 1e-3

    @property
    def title(self) -> str:
        """Source and detector in a few words."""
        named = self.case["source"], self.case["detector"]
        return _TITLES.get(named, ", ".join(named))

    def near_45(self, rotation: str) -> dict[str, Any]:
        """The result at the angle nearest to 45°."""
        return min(self.curves[rotation], key=lambda row: abs(row["angle"] - 45))

    def of_kind(self, kind: int) -> JetArray:
        """The variants: particles (0), these as detected (1), the detected image turned (2)."""
        jets = self.samples.jets
        at = np.flatnonzero((jets["row"] == self.row) & (jets["kind"] == kind))
        return self.samples[at[np.argsort(jets["angle"][at], kind="stable")]]

    @cached_property
    def images(self) -> dict[int, list[np.ndarray]]:
        """Images ``[n, m]`` of what was detected, at the detector's shape, for kinds 1 and 2."""
        return {
            kind: [self._image(jets[i]) for i in range(len(jets))]
            for kind, jets in ((kind, self.of_kind(kind)) for kind in (1, 2))
        }

    def _image(self, jet: JetArray) -> np.ndarray:
        radius, pt = self.case["radius"], jet.column("pt").astype(np.float64)
        edges = [np.linspace(-radius, radius, n + 1) for n in self.case["image"]]
        image, _, _ = np.histogram2d(jet.column("eta"), jet.column("phi"), edges, weights=pt)
        return np.where(image >= self.faint * image.max(), image, 0)

    @property
    def angles(self) -> np.ndarray:
        """Angles of the variants (degrees)."""
        return np.degrees(self.of_kind(2).jets["angle"])

    @property
    def dense(self) -> bool:
        """Whether most pixels of the images are filled."""
        return self.images[1][0].astype(bool).mean() > 0.4

    def pixels(self, variant: int, kind: int) -> int:
        """Number of pixels of a variant that are not empty."""
        return int((self.images[kind][variant] > 0).sum())


def load_cases(measured: Mapping[str, Any], folder: str | Path) -> list[Shown]:
    """The cases of a measurement, with what figures need.

    Args:
        measured: The value of :func:`~.artefacts.measure_artefacts`.
        folder: The folder that it wrote to.

    Raises:
        MissingFileError: If a file is not there.
        InputError: If a case has no rows.
    """
    if missing := [name for name in (SAMPLES, IMAGES) if not (Path(folder) / name).is_file()]:
        raise MissingFileError(
            f"{folder} has lost {', '.join(missing)}: remove {folder}.json to measure again."
        )
    samples, cases = read_parquet(Path(folder) / SAMPLES), []
    for number, case in enumerate(measured["cases"]):
        named, curves = (case["source"], case["detector"]), {}
        for when in ("after", "before"):
            rows = [r for r in measured["rows"]
                    if (r["source"], r["detector"], r["rotation"]) == (*named, when)]  # fmt: skip
            if not rows:
                raise InputError(f"No rows of {', '.join(named)}: measure again.")
            curves[when] = sorted(rows, key=lambda row: row["angle"])
        cases.append(Shown(case, samples, number, curves, measured["faint"]))
    return cases


def artefact_pictures(measured: Mapping[str, Any], folder: str | Path) -> list[Picture]:
    """The figures of a measurement; the same measurement gives the same bytes.

    ``artefacts`` shows how well rotated images are told from un-rotated ones and how many more
    pixels they fill, ``variants-{source}-{detector}`` one event at all its angles, and
    ``average-{source}-{detector}`` the average image of each class before and after the detector.

    Args:
        measured: The value of :func:`~.artefacts.measure_artefacts`.
        folder: The folder that it wrote to.

    Raises:
        MissingFileError: If a file is not there.
        InputError: If one of its files is broken.
        MissingExtraError: Without matplotlib and mplhep (``pyg-jets[report]``).
    """
    cases = load_cases(measured, folder)
    try:
        with np.load(Path(folder) / IMAGES) as stored:
            images = {name: stored[name] for name in stored}
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise InputError(f"{Path(folder) / IMAGES} is broken ({error}): measure again.") from None
    pictures = [_overview(cases)]
    for case in cases:
        pictures += [_variants(case), *_average(images, case)]
    return pictures


def artefact_table(cases: Sequence[Shown]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Title of each case, and its result after and before the detector at the angle next to 45°."""
    return [(case.title, case.near_45("after"), case.near_45("before")) for case in cases]


def _overview(cases: Sequence[Shown]) -> Picture:
    texts = "; ".join(
        f"{title}: AUC {estimate(_auc(after))} after and {estimate(_auc(before))} before, "
        f"{estimate(_ratio(after))} times as many pixels after"
        for title, after, before in artefact_table(cases)
    )
    angle = cases[0].near_45("after")["angle"]
    alt = (
        "Images as detected and rotated by 45° after and before the detector; how well rotated "
        "ones are told from un-rotated ones, and how many pixels they fill, over the angle. At "
        f"{angle:g}°: {texts}."
    )
    draw = partial(draw_overview, shown=cases)
    size = max(1.2 + 1.85 * len(cases), 3.4), 8.6
    return picture("artefacts", draw, size, alt)


def _auc(row: Mapping[str, Any]) -> Estimate:
    return Estimate(row["auc"], row["auc_error"])


def _ratio(row: Mapping[str, Any]) -> Estimate:
    return Estimate(row["multiplicity_ratio"], row["multiplicity_ratio_error"])


def _variants(one: Shown) -> Picture:
    angles = len(one.angles)
    before, after = ([one.pixels(i, kind) for i in range(angles)] for kind in (1, 2))
    alt = (
        f"{one.title}: one event at {angles} angles. Above, its particles before the detector; in "
        f"the middle, what the detector sees of each, {_span(before)} pixels; "
        f"below, the detected image rotated, up to {max(after)} pixels."
    )
    kind = f"variants-{one.case['source']}-{one.case['detector']}"
    return picture(kind, partial(draw_variants, one=one), (0.8 + 1.3 * angles, 4.5),
                    alt, title=one.title, pixels_before=before, pixels_after=after)  # fmt: skip


def _span(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return str(least) if least == most else f"{least} to {most}"


def _average(averages: Mapping[str, np.ndarray], one: Shown) -> Iterator[Picture]:
    source, detector = one.case["source"], one.case["detector"]
    keys = [f"{source}.{detector}.{when}" for when in ("before", "after")]
    if not set(keys) <= set(averages):
        return
    names = [class_name(each) for each in one.case["classes"]]
    alt = f"{one.title}: average image of {', '.join(names)}, before and after the detector."
    draw = partial(draw_average, one=one, images=[averages[key] for key in keys],
                   names=names)  # fmt: skip
    kind, events = f"average-{source}-{detector}", dict(zip(names, one.case["events"], strict=True))
    yield picture(kind, draw, average_size(len(names)), alt, title=one.title,
                   events=events)  # fmt: skip


def draw_overview(figure: Figure, shown: Sequence[Shown]) -> None:
    """A column for each case: three images, the AUC and the ratio of pixels over the angle."""
    axes = figure.subplots(5, len(shown), squeeze=False)
    for row in axes[3:]:
        for ax in row[1:]:
            ax.sharey(row[0])
            ax.tick_params(labelleft=False)
    rows = (("as detected", 0, 1, GREY), ("rotated 45°\nafter detector", 45, 2, _COLOURS["after"]),
            ("rotated 45°\nbefore detector", 45, 1, _COLOURS["before"]))  # fmt: skip
    for column, one in zip(axes.T, shown, strict=True):
        norm = _norm(one.images[1][0], one)
        filled = one.pixels(0, 1) / one.images[1][0].size
        column[0].set_title(f"{one.title}\n{filled:.0%} of the pixels filled", fontsize=9.5)
        for ax, (_, angle, kind, colour) in zip(column, rows, strict=False):
            nearest = int(np.abs(one.angles - angle).argmin())
            _draw_image(ax, one, nearest, kind, norm, colour)
        for ax, what, nothing in ((column[3], "auc", 0.5), (column[4], "multiplicity_ratio", 1)):
            _draw_curve(ax, one.curves, what, nothing)
        column[3].tick_params(labelbottom=False)
        column[4].set_xlabel("angle [°]", loc="center")
    for ax, (text, _, _, colour) in zip(axes[:, 0], rows, strict=False):
        ax.set_ylabel(text, color=colour if colour != GREY else "black", loc="center")
    axes[3, 0].set_ylim(0.38, 1.06)
    axes[3, 0].set_ylabel("AUC, rotated\nagainst not", loc="center")
    axes[4, 0].set_ylim(0.6, max(2.0, axes[4, 0].get_ylim()[1]))
    axes[4, 0].set_ylabel("ratio of\nfilled pixels", loc="center")
    figure.align_ylabels(axes[:, 0])
    handles, labels = axes[3, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(shown), 2))


def _draw_curve(ax: Any, curve: Mapping[str, Sequence[Any]], what: str, nothing: float) -> None:
    ax.axhline(nothing, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    looks = {"after": {"marker": "o"}, "before": {"marker": "s", "markerfacecolor": "white"}}
    for rotation, look in looks.items():
        rows = curve[rotation]
        angles, values, errors = (
            [row[name] for row in rows] for name in ("angle", what, f"{what}_error")
        )
        ax.errorbar(angles, values, errors, color=_COLOURS[rotation], markersize=4.5, linewidth=1.2,
                    label=f"rotated {rotation} the detector", **look)  # fmt: skip
    ax.set(xlim=(0, 97), xticks=(0, 45, 90))
    ax.minorticks_off()


def draw_variants(figure: Figure, one: Shown) -> None:
    """Three rows, a column an angle: particles, these as detected, the detected image turned."""
    axes = figure.subplots(3, len(one.angles), squeeze=False)
    norm = _norm(one.images[1][0], one)
    for i, column in enumerate(axes.T):
        column[0].set_title(f"{one.angles[i]:.0f}°")
        _draw_particles(column[0], one, i)
        _draw_image(column[1], one, i, 1, norm, _COLOURS["before"])
        _draw_image(column[2], one, i, 2, norm, _COLOURS["after"])
    for ax, text, colour in zip(
        axes[:, 0],
        ("before\nthe detector", "rotated,\nthen detected", "detected,\nthen rotated"),
        ("black", _COLOURS["before"], _COLOURS["after"]),
        strict=True,
    ):
        ax.set_ylabel(text, color=colour, loc="center")


def _draw_particles(ax: Any, one: Shown, variant: int) -> None:
    jet = one.of_kind(0)[variant]
    pt = jet.column("pt")
    if one.case["source"] == "jets":
        ax.scatter(jet.column("eta"), jet.column("phi"), s=120 * pt / pt.max(), color="black",
                   alpha=0.6, linewidths=0)  # fmt: skip
    else:
        order = np.argsort(pt, kind="stable")
        order = order[pt[order] >= one.faint * pt.max()]
        size, norm = (7, _norm(pt, one)) if one.dense else (3, None)
        ax.scatter(jet.column("eta")[order], jet.column("phi")[order], c=pt[order], s=size,
                   norm=norm, cmap="magma_r", linewidths=0)  # fmt: skip
    _frame(ax, one.case["radius"], GREY)


def _norm(values: np.ndarray, one: Shown) -> Any:
    """Colours: logarithmic for the few pixels of a sparse image, by a power for a dense one."""
    from matplotlib.colors import LogNorm, PowerNorm

    top = max(float(values.max(initial=0)), 1e-12)
    return PowerNorm(0.7, 0, top) if one.dense else LogNorm(one.faint * top, top)


def _draw_image(ax: Any, one: Shown, variant: int, kind: int, norm: Any, colour: str) -> None:
    radius, image = one.case["radius"], one.images[kind][variant]
    edges = [np.linspace(-radius, radius, n + 1) for n in image.shape]
    ax.pcolormesh(*edges, np.ma.masked_equal(image, 0).T, norm=norm, cmap="magma_r",
                  rasterized=True)  # fmt: skip
    ax.text(0.97, 0.03, str(one.pixels(variant, kind)), transform=ax.transAxes, ha="right",
            va="bottom", fontsize=8.5, color=colour,
            bbox={"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 1.2})  # fmt: skip
    _frame(ax, radius, colour)


def _frame(ax: Any, radius: float, colour: str) -> None:
    ax.set(xlim=(-radius, radius), ylim=(-radius, radius), xticks=(), yticks=())
    ax.minorticks_off()
    ax.set_aspect("equal")
    for spine in ax.spines.values():
        spine.set(color=colour, linewidth=1.2)


def average_size(n_classes: int) -> tuple[float, float]:
    """Width and height of the figure (inches)."""
    side = 2.6 if n_classes < 4 else 1.05
    return 1.2 + side * n_classes, 0.5 + 2 * side


def draw_average(
    figure: Figure, one: Shown, images: Sequence[np.ndarray], names: Sequence[str]
) -> None:
    """A column for each class: the average image before the detector, and after it."""
    from matplotlib.colors import LogNorm, Normalize

    radius = one.case["radius"]
    if one.case["source"] == "toy":  # few deposits: fine bins would show but noise
        images = [_coarse(images[0]), *images[1:]]
    # a density: bins of different sizes share the scale
    densities = [image * image[0].size / (2 * radius) ** 2 for image in images]
    jets = one.case["source"] == "jets"
    top = max(*(float(np.quantile(density, 0.9995)) for density in densities), 1e-12)
    norm = LogNorm(1e-4 * top, top) if jets else Normalize(0, top)
    axes = figure.subplots(2, len(names), squeeze=False)
    for row, density, when in zip(axes, densities, ("before", "after"), strict=True):
        for ax, image in zip(row, density, strict=True):
            edges = [np.linspace(-radius, radius, n + 1) for n in image.shape]
            drawn = ax.pcolormesh(*edges, np.ma.masked_equal(image, 0).T, norm=norm,
                                  cmap="magma_r", rasterized=True)  # fmt: skip
            _frame(ax, radius, GREY)
        row[0].set_ylabel(f"{when}\nthe detector", loc="center")
    for ax, name in zip(axes[0], names, strict=True):
        ax.set_title(name)
    unit = "mean $p_T$ per unit area [GeV]" if jets else "mean energy per unit area"
    figure.colorbar(drawn, ax=axes, shrink=0.85, pad=0.02, label=unit)


def _coarse(images: np.ndarray, factor: int = 4) -> np.ndarray:
    """Images ``[C, X, Y]`` with so many times fewer bins each way; sums are kept."""
    n, x, y = images.shape
    return images.reshape(n, x // factor, factor, y // factor, factor).sum((2, 4))
