"""The figures of a scan, each with what a screen reader says of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from pyg_jets.report.figures.cells import Curve, Panel, cells_size, draw_cells, line_looks
from pyg_jets.report.figures.points import Cloud, draw_points, points_size
from pyg_jets.report.pictures import Picture, picture
from pyg_jets.report.scan.captions import metric_name, metric_title
from pyg_jets.report.scan.cells import Cell, Layout, axis_name, fact
from pyg_jets.report.scan.search import Setting, format_value, searched, short_names
from pyg_jets.runs import Point, Scan

__all__ = ["FIGURES", "cell_pictures", "looks_of", "search_pictures"]

#: Metrics that have a figure where the cells have them, besides the layout's own: the file's name,
#: the axis label, whether the axis is logarithmic, a heading, and a caption.
FIGURES: dict[str, tuple[str, str, bool, str, str]] = {
    "test/signal_efficiency_0.5": (
        "signal-efficiency",
        r"$\varepsilon_S$ at $\varepsilon_B = 0.5$",
        False,
        "Signal efficiency at background efficiency 0.5",
        "",
    ),
    "test/spread": (
        "spread",
        "spread over variants",
        True,
        "Spread of the output over rotated variants",
        "",
    ),
}


def looks_of(cells: Sequence[Cell]) -> dict[str, tuple[str, Any, str]]:
    """Colour, line style and marker of each line of the cells."""
    return line_looks([cell.line for cell in cells], cells[0].layout.looks) if cells else {}


def cell_pictures(cells: Sequence[Cell]) -> dict[str, Picture]:
    """Metrics along the axis of the columns, as far as the cells have them."""
    if not cells:
        return {}
    layout, pictures = cells[0].layout, {}
    own = (metric_name(layout.metric).lower().replace(" ", "-"),
           metric_title(layout.metric).replace("Test AUC", "test AUC"), False,
           metric_title(layout.metric), "")  # fmt: skip
    for metric, (kind, ylabel, log, title, _) in {layout.metric: own, **FIGURES}.items():
        if panels := _panels(cells, metric):
            size = cells_size(len(panels), len(panels[0]))
            draw = partial(draw_cells, panels=panels, looks=looks_of(cells), ylabel=ylabel,
                           xlabel=_xlabel(layout), log=log)  # fmt: skip
            titles = ", ".join(panel.title for row in panels for panel in row if panel.title)
            against = f" against {_xlabel(layout)}" if layout.column else ""
            panels_text = f"; panels: {titles}" if titles else ""
            alt = f"{title}{against}, a line for each {axis_name(layout.line)}{panels_text}."
            pictures[kind] = picture(kind, draw, size, alt)
    return pictures


def _xlabel(layout: Layout) -> str:
    return "training jets" if layout.column == "n_train" else axis_name(layout.column)


def _panels(cells: Sequence[Cell], metric: str) -> list[list[Panel]]:
    """A row for each value of the first fact of a panel, a column for each of the others.

    Where these have but one value, rows of two are filled.
    """
    cells = [cell for cell in cells if cell.mean(metric) is not None]
    rows = list(dict.fromkeys(cell.panel[:1] for cell in cells))
    columns = sorted({cell.panel[1:] for cell in cells})
    if len(columns) > 1:
        return [[_panel(cells, (*row, *column), metric) for column in columns] for row in rows]
    panels = [_panel(cells, (*row, *column), metric) for row in rows for column in columns]
    if len(panels) % 2:
        return [[panel] for panel in panels]
    return [panels[i : i + 2] for i in range(0, len(panels), 2)]


def _panel(cells: Sequence[Cell], panel: tuple[str, ...], metric: str) -> Panel:
    own = [cell for cell in cells if cell.panel == panel]
    curves = []
    for line in dict.fromkeys(cell.line for cell in own):
        of_line = [cell for cell in own if cell.line == line]
        points = {c.column or 0: m for c in of_line if (m := c.mean(metric)) is not None}
        is_own = bool(own) and metric == own[0].layout.metric
        source = {c.column or 0: c.source for c in of_line if c.source and is_own}
        curves.append(Curve(line, points, source))
    return Panel(", ".join(reversed(panel)), tuple(curves))


def search_pictures(
    scan: Scan, tried: Sequence[Setting], layout: Layout | None
) -> dict[str, Picture]:
    """The metric against each parameter that is searched; nothing if none varies."""
    names = searched(scan.finished, layout)
    value_of = {p.name: v for s in tried for p, v in zip(s.points, s.numbers, strict=True)}
    points = [point for point in scan.finished if point.name in value_of]
    if not names or not points:
        return {}
    short = short_names(names)
    groups = tuple(_line(point, layout) for point in points) if layout else ()
    cloud = Cloud(
        {short[name]: [_number(p.parameters.get(name)) for p in points] for name in names},
        np.array([value_of[point.name] for point in points]),
        scan.metric,
        scan.maximises,
        groups,
        line_looks(groups, layout.looks if layout else {}),
    )
    against = ", ".join(short.values())
    alt = f"{scan.metric} of {len(points)} points against {against}, and the best so far."
    draw = partial(draw_points, cloud=cloud)
    return {"points": picture("points", draw, points_size(len(names) + 1), alt)}


def _line(point: Point, layout: Layout | None) -> str:
    """The line of a point; of facts of which the last may be the axis, the one before it."""
    if layout is None:
        return ""
    name = layout.group_by[-1]
    if isinstance(fact(point, name), int | float) and len(layout.group_by) > 1:
        name = layout.group_by[-2]
    return str(fact(point, name) or "")


def _number(value: Any) -> Any:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return value if plain else format_value(value)
