"""`make_generated_report`: runs of generators → one page with its figures and its table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyg_jets import __version__
from pyg_jets.metrics import effective_number
from pyg_jets.report import describe
from pyg_jets.report.figures.style import check_formats, network_colour
from pyg_jets.report.folder import PAGE, claim, render, write_page
from pyg_jets.report.generated import Generated, load_generated
from pyg_jets.report.generated_pictures import generated_pictures
from pyg_jets.report.numbers import class_name, columns_text, count, count_jets, duration, listed
from pyg_jets.report.pictures import Picture, picture_files

__all__ = ["generated_table", "make_generated_report"]

#: Shapes that no network is trained on, as the page names them.
SHAPES = {"tau21": "τ₂₁", "tau32": "τ₃₂", "softdrop_ratio": "soft-drop mass / mass"}


def make_generated_report(
    runs: Sequence[str | Path],
    out: str | Path,
    title: str | None = None,
    command: str | None = None,
    formats: Sequence[str] = ("png",),
) -> Path:
    """Write a report of generators: ``index.html``, its figures as files, ``table.csv``.

    Args:
        runs: Run folders of generators that were tested.
        out: The folder of the report; one that holds a report is written over.
        title: Title of the page. Default: what was made.
        command: The command that made the report, for the record.
        formats: Formats of the files of figures: ``png``, ``svg``, ``pdf``.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: If there is no such run folder.
        ValueError: If one is no run folder of a generator, or one of its files is broken; for an
            unknown format.
        FileExistsError: If ``out`` holds something else than a report.
        ModuleNotFoundError: Without matplotlib, mplhep and jinja2 (``pyg-jets[report]``).
    """
    loaded, formats = load_generated(runs), check_formats(formats)
    out = claim(out)
    drawn = [generated_pictures(one) for one in loaded]
    context = _context(loaded, drawn, title, command)
    page = render("generated.html", {**context, "formats": formats})
    contents = picture_files(drawn, formats)
    return write_page(out, contents | {"table.csv": _csv(loaded).encode(), PAGE: page.encode()})


def _context(
    loaded: Sequence[Generated],
    drawn: Sequence[dict[str, Picture]],
    title: str | None,
    command: str | None,
) -> dict[str, Any]:
    features = _features(loaded)
    groups = [
        {
            **describe.details(one.run),
            "lacks": (),  # what taggers have and generators do not
            "colour": network_colour(number),
            "lead": _lead(one),
            "figures": figures,
            "pairs": one.pairs,
            "physical": one.physical,
            "sum": f"{sum(one.distances.values()):.3f}",
            "texts": [_number(one.distances.get(name)) for name in features],
            "shapes": [_over_floor(one, name) for name in SHAPES] if one.shapes else [],
            "costs": _costs(one),
            "empty": _empty(one),
            "weighted": one.weighted,
        }
        for number, (one, figures) in enumerate(zip(loaded, drawn, strict=True))
    ]
    return {
        "title": title or _title(loaded[0]),
        "groups": groups,
        "features": [name.replace("_", " ") for name in features],
        "shapes": list(SHAPES.values()),
        "command": command,
        "version": __version__,
    }


def _features(loaded: Sequence[Generated]) -> list[str]:
    return list(dict.fromkeys(name for one in loaded for name in one.distances))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _over_floor(one: Generated, name: str) -> str:
    if name not in one.shapes:
        return "–"
    distance, floor, _ = one.shapes[name]
    return f"{distance.value:.3f} ± {distance.error:.3f} ({floor.value:.3f})"


def _costs(one: Generated) -> list[str]:
    provenance = one.run.provenance
    return [
        count(provenance.get("parameters")),
        count(provenance.get("epochs")),
        duration(provenance.get("wall_time_s")),
    ]


def _title(one: Generated) -> str:
    if not one.physical:
        return "Digits out of noise"
    classes = [str(name) for name in one.run.provenance.get("classes") or []]
    of = f"{listed([class_name(name) for name in classes])} jets" if classes else "Jets"
    title = f"{of}: GEN to RECO" if one.pairs else f"{of} out of noise"
    return f"{title[0].upper()}{title[1:]}"


def _lead(one: Generated) -> str:
    provenance, n = one.run.provenance, len(one.stages["target"])
    trained = provenance.get("n_train")
    after = f"trained on {count(trained)} of {provenance.get('dataset')}, " if trained else ""
    what = "jets" if one.physical else "digits"
    network = provenance.get("network_name", "A network")
    return f"{network}, {after}compared on {count_jets(n, one.weights('target'))} other {what}."


def _empty(one: Generated) -> str:
    """How many jets have no particle after the detector, and as they were made."""
    counts = [int((one.stages[stage].counts == 0).sum()) for stage in ("target", "made")]
    if not any(counts):
        return ""
    return f"Without a particle: {count(counts[0])} of the targets, {count(counts[1])} as made."


def _csv(loaded: Sequence[Generated]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    features = _features(loaded)
    effective = ["effective_jets"] if any(one.weighted for one in loaded) else []
    emds = [f"emd_{name}" for name in features]
    writer.writerow(["run", "title", "jets", *effective, *emds, "parameters"])
    for one in loaded:
        values = [one.distances.get(name, "") for name in features]
        parameters = one.run.provenance.get("parameters", "")
        jets, weights = len(one.stages["target"]), one.weights("target")
        counts = [jets, jets if weights is None else effective_number(weights)]
        counts = counts[: 1 + len(effective)]
        writer.writerow([one.run.name, one.run.title, *counts, *values, parameters])
    return stream.getvalue()


def generated_table(runs: Sequence[str | Path]) -> str:
    """The distances of each feature as plain text.

    Args:
        runs: Run folders of generators that were tested.

    Raises:
        FileNotFoundError: If there is no such run folder.
        ValueError: If one is no run folder of a generator, or one of its files is broken.
    """
    loaded = load_generated(runs)
    lines = [("feature", *(one.run.title for one in loaded))]
    for name in _features(loaded):
        numbers = (_number(one.distances.get(name)) for one in loaded)
        lines += [(name.replace("_", " "), *numbers)]
    lines.append(("parameters", *(count(one.run.provenance.get("parameters")) for one in loaded)))
    said = (
        "EMD of each feature: W1 of what was made and of the targets over the targets' deviation."
    )
    return columns_text([said], lines, left=1)
