"""`plot_jet`: one jet as circles in the plane of (Δη, Δφ), on axes of your own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor
from torch_geometric.data import Data

from pyg_jets import kinematics
from pyg_jets.columns import CANONICAL, KINDS
from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.jets import JetArray
from pyg_jets.report.figures.jet import LABELS, draw_particles, kinds_of, legend_handles
from pyg_jets.report.figures.style import GREY, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_jet"]

#: Diameter of the largest circle over the width of the axes.
_LARGEST = 0.09
#: Width of the axes over the size of letters at which a title still fits.
_LINE = 26
_COLUMNS = (("pt", "eta", "phi"), ("px", "py", "pz"), ("ptrel", "etarel", "phirel"))
#: PDG id and charge that stand for each kind.
_CODES = {"ischargedhadron": (211, 1), "isneutralhadron": (130, 0), "isphoton": (22, 0),
          "iselectron": (11, -1), "ismuon": (13, -1)}  # fmt: skip


def plot_jet(
    jet: JetArray | Data | tuple[Any, Sequence[str]],
    ax: Axes | None = None,
    *,
    columns: Sequence[str] | None = None,
    radius: float | None = None,
    title: str | None = None,
    legend: bool = True,
) -> Axes:
    """Draw the constituents of a jet as circles in (Δη, Δφ) about its axis.

    The area of a circle is proportional to pT. Its colour says whether the constituent is a charged
    hadron, a photon, a neutral hadron, an electron or a muon, where the columns ``pdgid`` and
    ``charge``, or ``ischargedhadron`` and its like, tell. A cross marks the jet's axis.

    Args:
        jet: A :class:`~pyg_jets.JetArray` of one jet, such as ``jets[0]``; a PyG graph, such as
            ``dataset[0]``; or ``(x, columns)`` with the particles ``x [n, F]`` and their names.
        ax: Where to draw. Default: a new figure, in the look of the reports.
        columns: Names of the columns of a graph's ``x``, such as ``dataset.columns``. Default: the
            canonical columns, if there are as many.
        radius: Draw a dashed circle of this radius. Default: none.
        title: The title. Default: pT and mass, as far as they are known, and the multiplicity.
        legend: Whether to say below the axes what colours and areas mean.

    Returns:
        The axes; ``ax.figure.savefig("jet.pdf")`` makes a file.

    Raises:
        InputError: For several jets, or columns that give neither pT nor directions.
        ModuleNotFoundError: Without matplotlib and mplhep (``pyg-jets[report]``).

    Examples:
        >>> x = [[90.0, 0.1, 0.0], [60.0, -0.2, 0.1], [9.0, 0.0, 0.3]]
        >>> ax = plot_jet((x, ("pt", "eta", "phi")), radius=0.8)
        >>> ax.get_title(loc="left")
        '$p_T$ = 159 GeV,  m = 26 GeV,  3 constituents'
    """
    drawn = _constituents(jet, columns)
    if ax is not None:
        _draw(ax, drawn, radius, title, legend)
        return ax
    require("matplotlib", "report")
    from matplotlib import pyplot

    with style():
        ax = pyplot.subplots(figsize=(5.2, 5.6), layout="constrained")[1]
        _draw(ax, drawn, radius, title, legend)
    return ax


@dataclass(frozen=True)
class _Constituents:
    """What is drawn of a jet.

    Args:
        positions: (Δη, Δφ), ``[n, 2]``.
        pt: pT, in GeV or relative to the jet, ``[n]``.
        in_gev: Whether pT is in GeV.
        kinds: Indices of kinds, ``[n]``; ``None`` where nothing tells them apart.
        momentum: pT and mass of the jet (GeV), if they are known.
    """

    positions: np.ndarray
    pt: np.ndarray
    in_gev: bool
    kinds: np.ndarray | None
    momentum: tuple[float, float] | None


def _constituents(jet: Any, columns: Sequence[str] | None) -> _Constituents:
    x, names, positions = _table(jet, columns)
    values = {name: x[:, i].astype(np.float64) for i, name in enumerate(names)}
    if _has(values, "px", "py", "pz") and not _has(values, "pt", "eta", "phi"):
        px, py, pz = (values[name] for name in ("px", "py", "pz"))
        energy = values.get("e", np.sqrt(px**2 + py**2 + pz**2))
        momenta = kinematics.to_cylindrical(px, py, pz, energy)
        values |= zip(CANONICAL, momenta, strict=False)
    size = next((name for name in ("pt", "ptrel") if name in values), None)
    known = positions is not None or any(_has(values, *some) for some in _COLUMNS)
    if size is None or not known:
        choices = ", or ".join(", ".join(some) for some in _COLUMNS)
        raise InputError(
            f"Expected columns {choices}, but got {', '.join(names) or 'none'}: draw the jet "
            "before features are made of it, or name the columns that x has in columns=."
        )
    momentum = None
    if _has(values, "pt", "eta", "phi"):
        mass = values.get("mass", np.zeros(len(x)))
        whole = JetArray(np.stack([values["pt"], values["eta"], values["phi"], mass], -1),
                         CANONICAL[:4], np.array([0, len(x)]))  # fmt: skip
        momentum = float(whole.momentum["pt"][0]), float(whole.momentum["mass"][0])
        positions = whole.relative_positions() if positions is None else positions
    elif positions is None:
        positions = np.stack([values["etarel"], values["phirel"]], -1)
    return _Constituents(positions, values[size], size == "pt", _kinds(values), momentum)


def _has(values: dict[str, np.ndarray], *names: str) -> bool:
    return set(names) <= values.keys()


def _table(
    jet: Any, columns: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray | None]:
    """Particles ``[n, F]``, the names of their columns, and their positions if a graph has them."""
    positions = None
    if isinstance(jet, JetArray):
        if len(jet) != 1:
            raise InputError(f"Expected one jet, but got {len(jet)}: choose one, as jets[0].")
        return jet.particles, jet.columns, None
    if isinstance(jet, Data):
        if "ptr" in jet and len(jet.ptr) > 2:
            raise InputError(
                f"Expected one jet, but got a batch of {len(jet.ptr) - 1}: choose one, as batch[0]."
            )
        x, positions = jet.x, jet.get("pos")
        columns = CANONICAL if columns is None else columns
    elif isinstance(jet, tuple) and len(jet) == 2 and columns is None:
        x, columns = jet
    else:
        raise InputError(
            "Expected a JetArray of one jet, a PyG graph, or (x, columns), but got "
            f"{type(jet).__name__}."
        )
    x, names = _to_numpy(x), tuple(columns)
    if x.ndim != 2 or x.shape[1] != len(names):
        raise InputError(
            f"Expected x [n, {len(names)}] for the columns {', '.join(names)}, but got "
            f"{list(x.shape)}: name the columns that x has in columns=, as dataset.columns."
        )
    return x, names, None if positions is None else _to_numpy(positions)


def _to_numpy(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)


def _kinds(values: dict[str, np.ndarray]) -> np.ndarray | None:
    """Indices of kinds, from PDG id and charge or from one column a kind."""
    if not _has(values, "charge", "pdgid"):
        if not _has(values, *KINDS):
            return None
        which = np.stack([values[name] for name in _CODES], -1).argmax(1)
        pdgid, charge = np.array(list(_CODES.values()), np.float64)[which].T
        values = {"charge": charge, "pdgid": pdgid}
    table = np.stack([values["charge"], values["pdgid"]], -1)
    return kinds_of(JetArray(table, ("charge", "pdgid"), np.array([0, len(table)])), toy=False)


def _draw(
    ax: Any, drawn: _Constituents, radius: float | None, title: str | None, legend: bool
) -> None:
    from matplotlib.patches import Circle

    points = 72 * ax.get_window_extent().width / ax.get_figure().dpi
    hardest = float(drawn.pt.max(initial=0))
    scale = (_LARGEST * points) ** 2 / hardest if hardest > 0 else 1.0
    kinds = np.zeros(len(drawn.pt), np.int64) if drawn.kinds is None else drawn.kinds
    half = 1.12 * max(float(np.abs(drawn.positions).max(initial=0)), radius or 0.0, 0.05)
    if radius is not None:
        dashes = (0, (4, 3))
        ax.add_patch(Circle((0, 0), radius, fill=False, linestyle=dashes, color=GREY, lw=0.9))
    draw_particles(ax, drawn.positions, scale * drawn.pt, kinds)
    ax.plot(0, 0, "+", color="black", markersize=7, markeredgewidth=0.9)
    ax.set(xlim=(-half, half), ylim=(-half, half), xlabel=LABELS[0], ylabel=LABELS[1])
    ax.set_aspect("equal")
    heading = ax.set_title(_title(drawn) if title is None else title, loc="left")
    heading.set_fontsize(min(heading.get_fontsize(), points / _LINE))
    if legend and len(drawn.pt):
        areas = {f"{pt:g} GeV": scale * pt for pt in _round_below(hardest) if drawn.in_gev}
        handles = legend_handles(kinds, None, areas)
        n_kinds = len(handles) - len(areas)
        of_kinds = [] if drawn.kinds is None else handles[:n_kinds]
        _draw_legends(ax, of_kinds, handles[n_kinds:], points)


def _draw_legends(ax: Any, kinds: list[Any], areas: list[Any], points: float) -> None:
    """Kinds below the axes, row by row and as wide as they are; areas where there is room."""
    size = min(9.5, points / 30)
    look: dict[str, Any] = {"frameon": False, "fontsize": size, "handletextpad": 0.6}
    if areas:
        legend = ax.legend(handles=areas, loc="best", labelspacing=0.7, **look)
        if kinds:
            ax.add_artist(legend)  # axes have one legend besides
    if kinds:
        columns = max(1, min(len(kinds), int(points / (10 * size))))
        by_row = [handle for i in range(columns) for handle in kinds[i::columns]]
        ax.legend(handles=by_row, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=columns,
                  columnspacing=1.2, **look)  # fmt: skip


def _title(drawn: _Constituents) -> str:
    n = len(drawn.pt)
    parts = [f"{n} constituent{'' if n == 1 else 's'}"]
    if drawn.momentum is not None and n:
        pt, mass = drawn.momentum
        parts = [f"$p_T$ = {pt:.0f} GeV", f"m = {mass:.0f} GeV", *parts]
    return ",  ".join(parts)


def _round_below(pt: float) -> tuple[float, ...]:
    """Two round numbers, the larger one at most ``pt``, the other a tenth of it.

    Examples:
        >>> _round_below(120.0), _round_below(0.0)
        ((10.0, 100.0), ())
    """
    if not pt > 0:
        return ()
    decade = 10.0 ** np.floor(np.log10(pt))
    largest = float(max(step * decade for step in (1, 2, 5) if step * decade <= pt))
    return largest / 10, largest
