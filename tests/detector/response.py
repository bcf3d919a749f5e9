"""The response of ``cms-like`` by |η| and pT: ``python -m tests.detector.response DIR``.

DIR holds ``qcd.parquet``, ``w.parquet``, … of ``pyg-jets generate``. Prints the tables of
``docs/detector.md``, with what lost particles would take away (the column "lost"), and draws
``docs/img/detector-response.png``.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from pyg_jets import JetArray
from pyg_jets.columns import CANONICAL
from pyg_jets.detector import Detector
from pyg_jets.io import read_parquet
from pyg_jets.substructure import substructure

PICTURE = Path(__file__).parents[2] / "docs" / "img" / "detector-response.png"
ETA = (0.0, 0.5, 1.0, 1.5, 2.0)
PT = (350, 450, 500, 550, 600, 700, 840)
WINDOW = (500, 600)  # GeV, of the bins in η

CMS = Detector.preset("cms-like")
#: ``cms-like`` without what charged particles deposit that leave no track.
LOSSY = replace(CMS, calorimeters=tuple(replace(c, untracked=()) for c in CMS.calorimeters))
NAMES = {"qcd": "QCD", "w": "W", "z": "Z", "top": "top"}


def bins(jets: JetArray) -> dict[str, tuple[tuple[float, ...], np.ndarray, np.ndarray]]:
    """For |η| and pT: the edges, the bin of each jet, and which jets count."""
    pt, eta = jets.momentum["pt"], abs(jets.momentum["eta"])
    in_window = (pt >= WINDOW[0]) & (pt < WINDOW[1])
    return {
        "eta": (ETA, np.digitize(eta, ETA) - 1, in_window),
        "pt": (PT, np.digitize(pt, PT) - 1, np.full(len(jets), True)),
    }


def response(jets: JetArray, seen: JetArray) -> dict[str, np.ndarray]:
    """After over before, for pT and mass."""
    return {name: seen.momentum[name] / jets.momentum[name] for name in ("pt", "mass")}


def print_bins(name: str, jets: JetArray, lossy: JetArray, seen: JetArray) -> None:
    """Means in bins, as rows of a Markdown table: pT and mass, lost and kept."""
    before, after = response(jets, lossy), response(jets, seen)
    for variable, (edges, index, counts) in bins(jets).items():
        for i, (low, high) in enumerate(itertools.pairwise(edges)):
            inside = (index == i) & counts
            means = [r[what][inside].mean() for what in ("pt", "mass") for r in (before, after)]
            error = after["pt"][inside].std() / np.sqrt(inside.sum())
            cells = [*(f"{m:.3f}" for m in means), f"{error:.4f}", f"{inside.sum()}"]
            print(f"| {NAMES[name]} | {variable} {low}–{high} | {' | '.join(cells)} |")


def print_whole(name: str, jets: JetArray, seen: JetArray) -> None:
    """Median, mean and rms in the window, particles, and the soft-drop mass."""
    pt = jets.momentum["pt"]
    inside = (pt >= WINDOW[0]) & (pt < WINDOW[1])
    jets, seen = jets[inside], seen[inside]
    ratios = response(jets, seen)
    cells = [f"{f(r):.3f}" for r in ratios.values() for f in (np.median, np.mean, np.std)]
    cells.append(f"{jets.counts.mean():.1f}, {seen.counts.mean():.1f}")
    masses = (np.median(substructure(j)["softdrop_mass"]) for j in (jets, seen))
    print(f"| {NAMES[name]} | {' | '.join(cells)} | {', '.join(f'{m:.1f}' for m in masses)} |")


def draw(samples: dict[str, tuple[JetArray, JetArray, JetArray]]) -> None:
    """Mean (lines) and 16 to 84 % (bands) of the response in bins, for each sample."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), sharey="row", layout="constrained")
    titles = {"eta": "|η| before the detector", "pt": "pT before the detector (GeV)"}
    colours = dict(zip(samples, ("#3f90da", "#bd1f01"), strict=False))
    for row, what in enumerate(("pt", "mass")):
        for column, variable in enumerate(("eta", "pt")):
            ax = axes[row, column]
            for name, (jets, lossy, seen) in samples.items():
                edges, index, counts = bins(jets)[variable]
                middle = [(a + b) / 2 for a, b in itertools.pairwise(edges)]
                for sample, style in ((lossy, "o:"), (seen, "o-")):
                    ratio = response(jets, sample)[what]
                    parts = [ratio[(index == i) & counts] for i in range(len(middle))]
                    lost = ", particles without a track lost" if sample is lossy else ""
                    means = [p.mean() for p in parts]
                    ax.plot(
                        middle, means, style, color=colours[name], label=NAMES[name] + lost, ms=4
                    )
                    if sample is seen:
                        low, high = np.array([np.percentile(p, (16, 84)) for p in parts]).T
                        ax.fill_between(middle, low, high, color=colours[name], alpha=0.15, lw=0)
            ax.axhline(1, color="0.6", lw=0.8, zorder=0)
            ax.set_xlabel(titles[variable] if row == 1 else "")
    axes[0, 0].set_ylabel("pT after / before")
    axes[1, 0].set_ylabel("mass after / before")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    axes[0, 0].set_title("jets of 500–600 GeV", fontsize=10)
    axes[0, 1].set_title("|η| < 2", fontsize=10)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=110)


def main(folder: str) -> None:
    """Print the tables and draw the figure."""
    samples = {}
    for name in NAMES:
        jets = read_parquet(Path(folder) / f"{name}.parquet").select(CANONICAL)
        jets = jets[jets.momentum["mass"] > 0]  # of more than one particle
        samples[name] = jets, LOSSY.simulate(jets, seed=1), CMS.simulate(jets, seed=1)
    for title, k in (("lost", 1), ("kept", 2)):
        print(f"\n{title}: pT median, mean, rms; mass median, mean, rms; particles; soft drop")
        for name, sample in samples.items():
            print_whole(name, sample[0], sample[k])
    print("\nbin: pT lost, kept; mass lost, kept; error of pT, kept; jets")
    for name, sample in samples.items():
        print_bins(name, *sample)
    draw({name: samples[name] for name in ("qcd", "w")})
    print(PICTURE)


if __name__ == "__main__":
    main(sys.argv[1])
