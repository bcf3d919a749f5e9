"""What rotations leave in images: a measurement's folder as figures and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import read_json
from pyg_jets.io import read_parquet
from pyg_jets.jets import JetArray
from pyg_jets.metrics import Estimate
from pyg_jets.report.figures import artefacts as figures
from pyg_jets.report.numbers import class_name, columns_text, count, estimate
from pyg_jets.report.pictures import Picture, picture

__all__ = ["Artefacts", "artefact_pictures", "load_artefacts", "summary"]

_TABLE, _SAMPLES, _IMAGES = "artefacts.json", "samples.parquet", "images.npz"
_ROW = ("source", "detector", "rotation", "angle", "auc", "auc_error", "multiplicity_ratio",
        "multiplicity_ratio_error", "n_events")  # fmt: skip
_CASE = ("source", "detector", "image", "radius", "classes", "events")


@dataclass(frozen=True)
class Artefacts:
    """A measurement of artefacts.

    Args:
        cases: What was measured: a source seen by a detector each, with what a picture must know.
        rows: A result for each case, rotation (``"after"`` or ``"before"`` the detector) and angle.
        samples: An event of each case and its variants.
        images: Average images ``[C, n, m]``, as ``{source}.{detector}.{before or after}``.
        record: Everything else: arguments, version, date, command.
    """

    cases: tuple[dict[str, Any], ...]
    rows: tuple[dict[str, Any], ...]
    samples: JetArray
    images: Mapping[str, np.ndarray]
    record: Mapping[str, Any]

    def results(self, case: Mapping[str, Any], rotation: str) -> list[dict[str, Any]]:
        """The rows of a case and a rotation, by angle."""
        wanted = (case["source"], case["detector"], rotation)
        found = [r for r in self.rows if (r["source"], r["detector"], r["rotation"]) == wanted]
        return sorted(found, key=lambda row: row["angle"])


def load_artefacts(folder: str | Path) -> Artefacts:
    """Read a folder that a measurement of artefacts left.

    Raises:
        FileNotFoundError: If the folder is not there or was not finished.
        ValueError: If one of its files is broken.
    """
    folder = Path(folder)
    for name in (_TABLE, _SAMPLES, _IMAGES):
        if not (folder / name).is_file():
            raise MissingFileError(
                f"{folder} has no {name}: give a folder that pyg-jets artefacts has finished."
            )
    table = read_json(folder / _TABLE)
    _check(table, folder / _TABLE)
    try:
        with np.load(folder / _IMAGES) as stored:
            images = {name: stored[name] for name in stored}
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise InputError(f"{folder / _IMAGES} is broken ({error}): measure again.") from None
    cases, rows = tuple(table.pop("cases")), tuple(table.pop("rows"))
    return Artefacts(cases, rows, read_parquet(folder / _SAMPLES), images, table)


def _check(table: Any, path: Path) -> None:
    for part, names in (("rows", _ROW), ("cases", _CASE)):
        entries = table.get(part) if isinstance(table, dict) else None
        if not isinstance(entries, list) or not entries:
            raise InputError(f"{path} has no {part}: measure again.")
        for entry in entries:
            if missing := [name for name in names if name not in entry]:
                raise InputError(
                    f"{path}: one of its {part} lacks {', '.join(missing)}: measure again."
                )


def artefact_pictures(folder: str | Path) -> list[Picture]:
    """The figures of a measurement of artefacts; the same folder gives the same bytes.

    ``artefacts`` shows how well rotated images are told from un-rotated ones and how many more
    pixels they fill, ``variants-{source}-{detector}`` one event at all its angles, and
    ``average-{source}-{detector}`` the average image of each class before and after the detector.

    Args:
        folder: A folder of :func:`pyg_jets.training.artefacts.measure_artefacts`.

    Raises:
        FileNotFoundError: If the folder is not there or was not finished.
        ValueError: If one of its files is broken.
        ModuleNotFoundError: Without matplotlib and mplhep (``pyg-jets[report]``).
    """
    found = load_artefacts(folder)
    cases = _cases(found)
    drawn = [_overview(cases)]
    for one in cases:
        drawn += [_variants(one.shown), *_average(found, one.shown)]
    return drawn


class _Case(NamedTuple):
    """A case, its rows by rotation, and of these the ones at the angle nearest to 45°."""

    shown: figures.Shown
    curve: dict[str, list[dict[str, Any]]]
    after: dict[str, Any]
    before: dict[str, Any]


def _cases(found: Artefacts) -> list[_Case]:
    cases = []
    for number, case in enumerate(found.cases):
        curve = {rotation: found.results(case, rotation) for rotation in ("after", "before")}
        if not all(curve.values()):
            raise InputError(f"No rows of {case['source']}, {case['detector']}: measure again.")
        near = (min(rows, key=lambda row: abs(row["angle"] - 45)) for rows in curve.values())
        shown = figures.Shown(case, found.samples, number, found.record.get("faint", 1e-3))
        cases.append(_Case(shown, curve, *near))
    return cases


def _overview(cases: Sequence[_Case]) -> Picture:
    told = "; ".join(
        f"{one.shown.title}: AUC {estimate(_auc(one.after))} after and "
        f"{estimate(_auc(one.before))} before, {estimate(_ratio(one.after))} times as many pixels "
        "after"
        for one in cases
    )
    alt = (
        "Images as detected and rotated by 45° after and before the detector; how well rotated "
        "ones are told from un-rotated ones, and how many pixels they fill, over the angle. At "
        f"{cases[0].after['angle']:g}°: {told}."
    )
    facts = {
        f"{one.shown.case['source']}.{one.shown.case['detector']}": {
            f"{name}_{when}": value(row)
            for when, row in (("after", one.after), ("before", one.before))
            for name, value in (("auc", _auc), ("ratio", _ratio))
        }
        for one in cases
    }
    draw = partial(figures.draw_overview, shown=[one.shown for one in cases],
                   curves=[one.curve for one in cases])  # fmt: skip
    return picture("artefacts", draw, figures.overview_size(len(cases)), alt, cases=facts,
                    angle=cases[0].after["angle"])  # fmt: skip


def _auc(row: Mapping[str, Any]) -> Estimate:
    return Estimate(row["auc"], row["auc_error"])


def _ratio(row: Mapping[str, Any]) -> Estimate:
    return Estimate(row["multiplicity_ratio"], row["multiplicity_ratio_error"])


def _variants(one: figures.Shown) -> Picture:
    angles = len(one.angles)
    before, after = ([one.pixels(i, kind) for i in range(angles)] for kind in (1, 2))
    alt = (
        f"{one.title}: one event at {angles} angles. Above, its particles before the detector; in "
        f"the middle, what the detector sees of each, {_span(before)} pixels; "
        f"below, the detected image rotated, up to {max(after)} pixels."
    )
    kind = f"variants-{one.case['source']}-{one.case['detector']}"
    return picture(kind, partial(figures.draw_variants, one=one), figures.variants_size(angles),
                    alt, title=one.title, pixels_before=before, pixels_after=after)  # fmt: skip


def _span(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return str(least) if least == most else f"{least} to {most}"


def _average(found: Artefacts, one: figures.Shown) -> Iterator[Picture]:
    source, detector = one.case["source"], one.case["detector"]
    keys = [f"{source}.{detector}.{when}" for when in ("before", "after")]
    if not set(keys) <= set(found.images):
        return
    names = [class_name(each) for each in one.case["classes"]]
    alt = f"{one.title}: average image of {', '.join(names)}, before and after the detector."
    draw = partial(figures.draw_average, one=one, images=[found.images[key] for key in keys],
                   names=names)  # fmt: skip
    kind, events = f"average-{source}-{detector}", dict(zip(names, one.case["events"], strict=True))
    yield picture(kind, draw, figures.average_size(len(names)), alt, title=one.title,
                   events=events)  # fmt: skip


def summary(folder: str | Path) -> str:
    """The result as plain text: AUC and ratio of multiplicities at the angle nearest to 45°.

    Args:
        folder: A folder of :func:`pyg_jets.training.artefacts.measure_artefacts`.

    Raises:
        FileNotFoundError: If the folder is not there or was not finished.
        ValueError: If one of its files is broken.
    """
    cases = _cases(load_artefacts(folder))
    lines = [("source and detector", "events", "AUC after", "AUC before", "pixels after",
              "pixels before")]  # fmt: skip
    for one in cases:
        auc_after, auc_before = estimate(_auc(one.after)), estimate(_auc(one.before))
        after, before = estimate(_ratio(one.after)), estimate(_ratio(one.before))
        events = count(one.after["n_events"])
        lines.append((one.shown.title, events, auc_after, auc_before, after, before))
    said = (
        f"Images rotated by {cases[0].after['angle']:g}°, after or before the detector, against "
        "un-rotated ones; ± one\nstandard error. No trace: AUC 0.5, and 1 times as many pixels."
    )
    return columns_text([said], lines, left=1)
