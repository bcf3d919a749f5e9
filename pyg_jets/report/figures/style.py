"""How figures look, and how they become files; matplotlib's own settings stay as they were."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.files import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BACKGROUND",
    "BASELINES",
    "FORMATS",
    "GREY",
    "Drawing",
    "check_formats",
    "figure_file",
    "label",
    "network_colour",
    "style",
]

#: Formats of figures: pixels, and two of vectors.
FORMATS = ("png", "svg", "pdf")
#: What a file says of itself besides: nothing that differs from one time to the next.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}

#: Ten colours that the colour-blind tell apart (arXiv:2107.02270), without its greys.
_NETWORKS = ("#3f90da", "#bd1f01", "#ffa90e", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#92dadd")
GREY = "#717581"
BACKGROUND = "#94a4a2"
#: Line styles of the baselines, all grey, in the order in which they come.
BASELINES = (
    (0, (1, 1.5)),
    (0, (4, 2)),
    (0, (7, 2, 1.5, 2)),
    (0, (7, 2, 1.5, 2, 1.5, 2)),
    (0, ()),
)

#: Dots an inch: twice what a screen shows at the page's width.
_DPI = 200

_LOOK = {
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10.5,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "axes.linewidth": 0.9,
    "axes.unicode_minus": True,
    "xtick.major.size": 6,
    "xtick.minor.size": 3,
    "ytick.major.size": 6,
    "ytick.minor.size": 3,
    "xtick.major.pad": 4,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "mathtext.fontset": "stixsans",
    "mathtext.default": "it",
    "svg.hashsalt": "pyg_jets",  # ids in a file are the same each time
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
}


def network_colour(number: int) -> str:
    """The colour of a run, the same in every figure and on the page."""
    return _NETWORKS[number % len(_NETWORKS)]


def label(title: str) -> str:
    """A title for matplotlib: dollar signs are escaped, subscripts are set as mathematics.

    Examples:
        >>> label("τ₂₁ alone, 5$")
        '$\\\\tau_{21}$ alone, 5\\\\$'
    """
    escaped = title.replace("$", r"\$")
    return escaped.replace("τ₂₁", r"$\tau_{21}$").replace("τ₃₂", r"$\tau_{32}$")


def style() -> AbstractContextManager[None]:
    """The look of the figures, for the length of a ``with`` block."""
    hep = require("mplhep", "report").style.ROOT
    return require("matplotlib.style", "report").context([dict(hep), _LOOK])


def check_formats(formats: Sequence[str] | str) -> tuple[str, ...]:
    """The formats of figures, each once.

    Raises:
        InputError: For an unknown format, or none.

    Examples:
        >>> check_formats("pdf")
        ('pdf',)
    """
    formats = check_names([formats] if isinstance(formats, str) else formats, FORMATS, "format")
    if not formats:
        raise InputError(f"Expected a format of the figures: choose from {', '.join(FORMATS)}.")
    return formats


def figure_file(
    draw: Callable[[Figure], None], width: float, height: float, format: str = "png"
) -> bytes:
    """Draw a figure and return it as a file; the same drawing gives the same bytes.

    Args:
        draw: Draws on the figure that it is given.
        width: Width (inches; 100 of the page's pixels each).
        height: Height (inches).
        format: One of :data:`FORMATS`.

    Raises:
        ModuleNotFoundError: Without matplotlib and mplhep, naming the extra.
    """
    require("matplotlib", "report")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        draw(figure)
        stream = io.BytesIO()
        if format == "png":  # savefig would draw it twice, for the same bytes
            canvas.print_png(stream, metadata=_METADATA[format])
        else:
            figure.savefig(stream, format=format, metadata=_METADATA[format])
    return stream.getvalue()


@dataclass(frozen=True)
class Drawing:
    """A figure that is drawn when a file of it is asked for.

    Args:
        draw: Draws on the figure that it is given.
        size: Width and height (inches).
    """

    draw: Callable[[Figure], None]
    size: tuple[float, float]

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG."""
        return figure_file(self.draw, *self.size)

    def file(self, format: str) -> bytes:
        """The figure as a file.

        Args:
            format: One of :data:`FORMATS`.
        """
        return self.png if format == "png" else figure_file(self.draw, *self.size, format)
