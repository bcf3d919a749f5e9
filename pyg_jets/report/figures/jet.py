"""One jet in the (η, φ) plane: its constituents before and after the detector, and its variants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.files import require
from pyg_jets.jets import JetArray
from pyg_jets.report.figures.style import GREY
from pyg_jets.report.samples import Variants

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "KINDS",
    "LABELS",
    "draw_frame",
    "draw_jet",
    "draw_legend",
    "draw_particles",
    "draw_variants",
    "kinds_of",
    "legend_handles",
    "positions_of",
    "scale_of",
]

#: What a constituent is to the eye, and its colour.
KINDS = {
    "charged hadron": "#3f90da",
    "photon": "#ffa90e",
    "neutral hadron": "#832db6",
    "electron": "#bd1f01",
    "muon": "#a96b59",
}
#: Names of the axes of the plane.
LABELS = (r"$\Delta\eta$", r"$\Delta\phi$")


def kinds_of(jet: JetArray, toy: bool) -> np.ndarray:
    """An index into ``KINDS`` for each constituent; all alike where nothing tells them apart."""
    if not _told_apart(jet, toy):
        return np.zeros(len(jet.particles), np.int64)
    charge, kind = jet.column("charge"), np.abs(jet.column("pdgid"))
    return np.select([kind == 11, kind == 13, charge != 0, kind == 22], [3, 4, 0, 1], 2)


def _told_apart(jet: JetArray, toy: bool) -> bool:
    return not toy and {"charge", "pdgid"} <= set(jet.columns)


def draw_jet(figure: Figure, before: JetArray, after: JetArray, radius: float, toy: bool) -> None:
    """A jet before and after the detector, as the minimum spanning tree of its constituents."""
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    drawn = (jet for jet in (before, after) if len(jet.particles))
    scale = min((scale_of(jet, 900) for jet in drawn), default=1.0)
    for ax, jet, when in zip(axes, (before, after), ("Before", "After"), strict=True):
        _draw_tree(ax, jet, toy)
        _draw_particles(ax, jet, scale, toy)
        draw_frame(ax, radius, toy)
        ax.set_title(f"{when} the detector: {len(jet.particles)} constituents", loc="left")
        ax.set_xlabel("x" if toy else LABELS[0])
    axes[0].set_ylabel("y" if toy else LABELS[1])
    draw_legend(figure, (before, after), scale, toy)


def draw_variants(figure: Figure, rotated: Variants, radius: float, toy: bool) -> None:
    """The variants of a jet after the detector, over their outlines before it."""
    count = min(len(rotated.after), 8)
    axes = figure.subplots(-(-count // 4), min(count, 4), sharex=True, sharey=True, squeeze=False)
    scale = scale_of(rotated.after, 160)
    for i, ax in enumerate(axes.flat):
        if i >= count:
            ax.set_axis_off()
            continue
        same = np.isclose(rotated.before.jets["angle"], rotated.angles[i], atol=1e-4)
        if same.any():
            _draw_particles(ax, rotated.before[np.flatnonzero(same)[:1]], scale, toy, outline=True)
        jet = rotated.after[i]
        _draw_particles(ax, jet, scale, toy)
        draw_frame(ax, radius, toy)
        ax.set_title(_summary(jet, rotated.angles[i], toy), loc="left", fontsize=9)
        ax.tick_params(labelsize=8)
        ax.minorticks_off()


def _summary(jet: JetArray, angle: float, toy: bool) -> str:
    turned = f"{np.degrees(angle):.0f}°"
    if toy:
        return f"{turned}:  {len(jet.particles)} cells"
    pt, mass = (jet.momentum[name][0] for name in ("pt", "mass"))
    return f"{turned}:  $p_T$ = {pt:.0f},  m = {mass:.0f} GeV"


def positions_of(jet: JetArray, toy: bool) -> np.ndarray:
    """Where the constituents lie in the plane, ``[n, 2]``, about the jet axis; a toy's origin."""
    return jet.relative_positions("origin" if toy else "jet")


def scale_of(jet: JetArray, area: float) -> float:
    """Points² a GeV, so that the hardest constituent covers ``area``."""
    largest = jet.column("pt").max(initial=0)
    return area / largest if largest > 0 else 1.0


def _draw_particles(ax: Any, jet: JetArray, scale: float, toy: bool, outline: bool = False) -> None:
    kinds = None if outline else kinds_of(jet, toy)
    draw_particles(ax, positions_of(jet, toy), scale * jet.column("pt"), kinds)


def draw_particles(
    ax: Any, positions: np.ndarray, areas: np.ndarray, kinds: np.ndarray | None
) -> None:
    """Circles of constituents.

    Args:
        ax: The axes.
        positions: Where they lie, ``[n, 2]``.
        areas: Areas of the circles (points²), ``[n]``.
        kinds: Indices into :data:`KINDS`, ``[n]``; ``None`` for grey outlines.
    """
    hardest_first = np.argsort(-areas, kind="stable")  # small circles lie on top
    (x, y), areas = positions[hardest_first].T, areas[hardest_first]
    if kinds is None:
        ax.scatter(x, y, s=areas, facecolors="none", edgecolors=GREY, linewidths=0.5, alpha=0.7)
    else:
        colours = np.array(list(KINDS.values()))[kinds[hardest_first]]
        ax.scatter(x, y, s=areas, c=colours, linewidths=0.6, alpha=0.6)


def _draw_tree(ax: Any, jet: JetArray, toy: bool) -> None:
    """Lines between constituents along their minimum spanning tree in the plane."""
    require("matplotlib", "report")
    import networkx as nx
    from matplotlib.collections import LineCollection

    positions = positions_of(jet, toy)
    if not 1 < len(positions) <= 400:
        return
    graph = nx.Graph()
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    first, second = np.triu_indices(len(positions), 1)
    weights = apart[first, second].tolist()
    graph.add_weighted_edges_from(zip(first.tolist(), second.tolist(), weights, strict=True))
    edges = sorted(nx.minimum_spanning_tree(graph).edges)
    ax.add_collection(LineCollection([positions[list(e)] for e in edges], colors=GREY,
                                     linewidths=0.8, alpha=0.8, zorder=0))  # fmt: skip


def draw_frame(ax: Any, radius: float, toy: bool) -> None:
    """The jet's axis and radius, and the limits of a panel."""
    from matplotlib.patches import Circle

    ax.add_patch(Circle((0, 0), radius, fill=False, linestyle=(0, (4, 3)), color=GREY, lw=0.9))
    if not toy:
        ax.plot(0, 0, "+", color="black", markersize=7, markeredgewidth=0.9)
    ax.set(xlim=(-1.12 * radius, 1.12 * radius), ylim=(-1.12 * radius, 1.12 * radius))
    ax.set_aspect("equal")


def draw_legend(figure: Figure, jets: tuple[JetArray, ...], scale: float, toy: bool) -> None:
    """The kinds of constituents that the jets have, and circles of two pT, below the panels."""
    kinds = np.concatenate([kinds_of(jet, toy) for jet in jets])
    alike = None if _told_apart(jets[0], toy) else "deposit" if toy else "constituent"
    sizes = () if toy else (5, 50)
    handles = legend_handles(kinds, alike, {f"{pt} GeV": scale * pt for pt in sizes})
    largest = max(np.sqrt(scale * pt) for pt in (0, *sizes))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles),
                  handleheight=max(0.7, largest / 9))  # fmt: skip


def legend_handles(kinds: np.ndarray, alike: str | None, areas: Mapping[str, float]) -> list[Any]:
    """Circles that say what colours and areas mean.

    Args:
        kinds: Indices into :data:`KINDS` of what is drawn.
        alike: What all constituents are called where nothing tells them apart.
        areas: Names and areas (points²) of circles.
    """
    from matplotlib.lines import Line2D

    names = list(KINDS)
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=8, alpha=0.6, color=KINDS[names[i]],
               label=alike or names[i])
        for i in np.unique(kinds)
    ]  # fmt: skip
    return handles + [
        Line2D([], [], linestyle="", marker="o", markersize=np.sqrt(area), color=GREY,
               fillstyle="none", label=name)
        for name, area in areas.items()
    ]  # fmt: skip
