"""The figures of a scan as PNG, each with what a screen reader says of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.files import read_json
from pyg_jets.report.figures.cells import Curve, Panel, cells_size, draw_cells
from pyg_jets.report.figures.points import Cloud, draw_points, points_size
from pyg_jets.report.pictures import Picture, picture
from pyg_jets.report.scan.cells import Cell
from pyg_jets.report.scan.search import Setting, is_study, searched, short_names, told
from pyg_jets.report.scan.tables import detector_name
from pyg_jets.runs import Scan

__all__ = ["artefacts", "artefacts_command", "of_search", "of_study"]

#: Kind of figure, metric, axis label, whether the axis is logarithmic.
_FIGURES = (
    ("auc", "test/auc", "test AUC", False),
    ("signal-efficiency", "test/signal_efficiency_0.5",
     r"$\varepsilon_S$ at $\varepsilon_B = 0.5$", False),
    ("spread", "test/spread", "spread over variants", True),
)  # fmt: skip
_ALT = {
    "auc": "Test AUC against the number of training jets",
    "signal-efficiency": "Signal efficiency at background efficiency 0.5 against training jets",
    "spread": "Spread of the output over rotated variants against the number of training jets",
}


def of_study(cells: Sequence[Cell]) -> dict[str, Picture]:
    """Metrics against the training size, as far as the cells have them."""
    found = {}
    for kind, metric, ylabel, log in _FIGURES:
        panels = _panels(cells, metric)
        if panels:
            size = cells_size(len(panels), len(panels[0]))
            draw = partial(draw_cells, panels=panels, ylabel=ylabel, log=log)
            titles = ", ".join(panel.title for row in panels for panel in row)
            alt = f"{_ALT[kind]}, a line for each arm; panels: {titles}."
            found[kind] = picture(kind, draw, size, alt)
    return found


def _panels(cells: Sequence[Cell], metric: str) -> list[list[Panel]]:
    """A row for each detector, a column for each network; one network fills rows of two."""
    cells = [cell for cell in cells if cell.mean(metric) is not None]
    networks = list(dict.fromkeys(cell.network for cell in cells))
    detectors = list(dict.fromkeys(cell.detector for cell in cells))
    if len(networks) != 1:
        return [[_panel(cells, n, d, metric) for n in sorted(networks)] for d in detectors]
    panels = [_panel(cells, networks[0], d, metric) for d in detectors]
    if len(panels) % 2:
        return [[panel] for panel in panels]
    return [panels[i : i + 2] for i in range(0, len(panels), 2)]


def _panel(cells: Sequence[Cell], network: str, detector: str, metric: str) -> Panel:
    own = [cell for cell in cells if (cell.network, cell.detector) == (network, detector)]
    curves = []
    for arm in dict.fromkeys(cell.arm for cell in own):
        of_arm = [cell for cell in own if cell.arm == arm]
        points = {c.n_train: found for c in of_arm if (found := c.mean(metric)) is not None}
        source = {c.n_train: c.source for c in of_arm if c.source and metric == "test/auc"}
        curves.append(Curve(arm, points, source))
    return Panel(f"{network}, {detector_name(detector)}", tuple(curves))


def of_search(scan: Scan, tried: Sequence[Setting]) -> dict[str, Picture]:
    """The metric against each parameter that is searched; nothing if none varies."""
    names = searched(scan.finished)
    value_of = {p.name: v for s in tried for p, v in zip(s.points, s.numbers, strict=True)}
    points = [point for point in scan.finished if point.name in value_of]
    if not names or not points:
        return {}
    short = short_names(names)
    groups = tuple(point.labels.get("arm", "") for point in points) if is_study(points) else ()
    cloud = Cloud(
        {short[name]: [_number(p.parameters.get(name)) for p in points] for name in names},
        np.array([value_of[point.name] for point in points]),
        scan.metric,
        scan.maximises,
        groups,
    )
    against = ", ".join(short.values())
    alt = f"{scan.metric} of {len(points)} points against {against}, and the best so far."
    draw = partial(draw_points, cloud=cloud)
    return {"points": picture("points", draw, points_size(len(names) + 1), alt)}


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else told(value)


def artefacts_command(folder: Path) -> str:
    """The command that measured the artefacts of a scan; empty if there are none."""
    path = folder / "artefacts" / "artefacts.json"
    return str(read_json(path).get("command") or "") if path.is_file() else ""


def artefacts(folder: str | Path) -> dict[str, Picture]:
    """The figures of the artefacts of a scan; nothing unless they were measured to the end."""
    if not (Path(folder) / "artefacts" / "artefacts.json").is_file():
        return {}
    from pyg_jets.report.artefacts import artefact_pictures

    return {one.kind: one for one in artefact_pictures(Path(folder) / "artefacts")}
