"""`plot_lund`: where the declusterings of jets lie in the Lund plane, on axes of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.report.figures.style import style
from pyg_jets.substructure import LundPlane

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["lund_density", "plot_lund"]

#: Edges of the bins of ln 1/Δ and of ln kt/GeV.
_EDGES = np.linspace(0, 6, 31), np.linspace(-4, 6, 41)


def lund_density(
    plane: LundPlane, weights: Any = None, edges: tuple[Any, Any] = _EDGES
) -> np.ndarray:
    r"""Mean number of declusterings a jet and unit of area of the Lund plane (arXiv 1807.04758).

    .. math:: \rho = \frac{1}{N_\mathrm{jets}} \frac{\mathrm{d}^2 n}
        {\mathrm{d}\ln k_T\, \mathrm{d}\ln 1/\Delta}

    Args:
        plane: The declusterings.
        weights: A weight for each jet, ``[J]``. Default: 1.
        edges: Edges of the bins of :math:`\ln 1/\Delta` and :math:`\ln k_T / \mathrm{GeV}`.
            Default: 0.2 × 0.25 from 0 to 6 and from −4 to 6.

    Returns:
        ``[X, Y]``, 0 where there is no jet.

    Raises:
        ValueError: For another number of weights.

    Examples:
        >>> from pyg_jets.substructure import lund_plane
        >>> plane = lund_plane([[9, 0, 0, 9], [9, 1, 0, 9.1], [0, 5, 0, 5]], [0, 3])
        >>> float((lund_density(plane) * 0.2 * 0.25).sum().round(3))  # 0.11 and 1.5 rad: one inside
        1.0
    """
    n_jets = len(plane.ptr) - 1
    weight = np.ones(n_jets) if weights is None else np.asarray(weights, np.float64)
    if weight.shape != (n_jets,):
        raise InputError(
            f"Expected one weight for each of the {n_jets} jets, but got {list(weight.shape)}."
        )
    log_kt, log_delta = plane.logarithms()[:, :2].T
    each = np.repeat(weight, np.diff(plane.ptr))
    counts, x, y = np.histogram2d(log_delta, log_kt, bins=edges, weights=each)
    return counts / (np.outer(np.diff(x), np.diff(y)) * (weight.sum() or 1))


def plot_lund(
    plane: LundPlane, ax: Axes | None = None, *, weights: Any = None, title: str | None = None
) -> Axes:
    r"""Draw the density of declusterings in :math:`\ln 1/\Delta` and :math:`\ln k_T`.

    Args:
        plane: The declusterings, of :func:`~pyg_jets.substructure.lund_plane`.
        ax: Where to draw. Default: a new figure, in the look of the reports.
        weights: A weight for each jet, ``[J]``. Default: 1.
        title: The title. Default: the number of jets.

    Returns:
        The axes; ``ax.figure.savefig("lund.pdf")`` makes a file.

    Raises:
        ValueError: For another number of weights.
        ModuleNotFoundError: Without matplotlib and mplhep (``pyg-jets[report]``).

    Examples:
        >>> from pyg_jets.substructure import lund_plane
        >>> plane = lund_plane([[9, 0, 0, 9], [9, 1, 0, 9.1], [0, 5, 0, 5]], [0, 3])
        >>> plot_lund(plane).get_title(loc="left")
        '1 jet, 2 declusterings'
    """
    density = lund_density(plane, weights)
    if ax is not None:
        _draw(ax, plane, density, title)
        return ax
    require("matplotlib", "report")
    from matplotlib import pyplot

    with style():
        ax = pyplot.subplots(figsize=(5.4, 4.2), layout="constrained")[1]
        _draw(ax, plane, density, title)
    return ax


def _draw(ax: Axes, plane: LundPlane, density: np.ndarray, title: str | None) -> None:
    drawn = ax.pcolormesh(
        *_EDGES, np.ma.masked_equal(density.T, 0), vmin=0, cmap="viridis", rasterized=True
    )
    n_jets = len(plane.ptr) - 1
    known = f"{n_jets:,} jet{'s' * (n_jets != 1)}, {len(plane.values):,} declusterings"
    ax.set_title(known if title is None else title, loc="left")
    ax.set_xlabel(r"$\ln\,1/\Delta$")
    ax.set_ylabel(r"$\ln\,k_T/\mathrm{GeV}$")
    ax.figure.colorbar(drawn, ax=ax, pad=0.02, label="declusterings a jet and unit area")
