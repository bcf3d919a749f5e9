"""How many jets of a window the slices lose, against a run of all hard pT that has no slices.

``python -m tests.benchmarks.wide_run qcd w z top`` generates what lacks below ``data/wide``, prints
the tables of ``docs/generation.md``, and draws its figure of QCD jets. The wide run is Pythia's own
biased selection over all pTHat from far below the slices, without hooks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pyg_jets import kinematics
from pyg_jets.events import PythiaOptions, pythia
from pyg_jets.events.chunk import _cluster as cluster
from pyg_jets.events.chunk import configure_pythia, event_record
from pyg_jets.events.cross_section import cross_section
from pyg_jets.events.cutflow import slice_table
from pyg_jets.events.processes import PROCESSES
from pyg_jets.events.truth_matching import find_truth_particles, match_jets

FOLDER = Path("data/wide")
FIGURE = Path(__file__).parents[2] / "docs" / "img" / "slices.png"
LOW, HIGH, RADIUS, ETA_MAX = 500.0, 600.0, 0.8, 2.0
#: The lower end of the wide run (GeV), the power of its bias, its chunks of 250 events, its seed.
WIDE = {
    "qcd": (150, 4.5, 240, 2),
    "w": (60, 3.5, 40, 3),
    "z": (60, 3.5, 40, 3),
    "top": (100, 4.0, 40, 3),
}
#: Jets of the samples that are held against it; of the others it is only said what is lost.
N_JETS = {"qcd": 4000}
SAMPLES = {"0.8–1.6": (0.8, 1.6), "sliced": "sliced"}
OBSERVABLES = {"pt": (500, 600, 10), "mass": (0, 250, 25), "multiplicity": (0, 160, 20)}


class Sample(NamedTuple):
    """Jets of the window: their observables and weights, and their cross section (pb)."""

    columns: dict[str, np.ndarray]
    weight: np.ndarray
    sigma: float
    error: float

    def mean(self, name: str) -> tuple[float, float]:
        """Weighted mean of an observable, and its error."""
        w, x = self.weight / self.weight.sum(), self.columns[name]
        mean = float((w * x).sum())
        return mean, float(np.sqrt((w**2 * (x - mean) ** 2).sum()))

    def shares(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The share of the jets in each bin of an observable, and its error."""
        low, high, n = OBSERVABLES[name]
        bins, w = np.linspace(low, high, n + 1), self.weight / self.weight.sum()
        each, squared = (np.histogram(self.columns[name], bins, weights=v)[0] for v in (w, w**2))
        return each, np.sqrt(squared * (1 - each))


def wide_run(process: str) -> Sample:
    """The jets of the wide run; ``pthat`` is among their columns."""
    low, power, chunks, seed = WIDE[process]
    path = FOLDER / f"{process}.npz"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        np.savez(path, **simulate(process, low, power, chunks, seed))
    with np.load(path) as data:
        jets, events, (sigma, error) = data["jets"], data["events"], 1e9 * data["sigma"]
    weight, all_weights = ((p / LOW) ** -power for p in (jets[:, 0], events))
    share = weight.sum() / all_weights.sum()
    relative = np.hypot(np.sqrt((weight**2).sum()) / weight.sum(), error / sigma)
    columns = dict(zip(("pthat", *OBSERVABLES), jets.T, strict=True))
    return Sample(columns, weight, sigma * share, sigma * share * relative)


def simulate(
    process: str, low: float, power: float, chunks: int, seed: int
) -> dict[str, np.ndarray]:
    """Pythia's biased selection: pTHat, pT, mass and multiplicity of each jet of the window."""
    options = PythiaOptions(pthat=(low / LOW, 10), seed=seed)
    generator, recipe = configure_pythia(process, options), PROCESSES[process]
    for line in ("2Selection = on", f"2SelectionRef = {LOW}", f"2SelectionPow = {power}"):
        assert generator.readString(f"PhaseSpace:bias{line}")
    generator.readString(f"Random:seed = {seed}")
    generator.init()
    jets, events = [], []
    for _ in range(chunks):
        record = event_record(generator.nextBatch(250))
        clustered = cluster(record, options)
        pt, eta, phi, mass = kinematics.to_cylindrical(*clustered.momenta.T)
        truth = find_truth_particles(record, recipe.resonance)
        distance = RADIUS * (1.0 if recipe.resonance else 0.5)
        rapidity = kinematics.rapidity(pt, eta, mass)
        matched, _ = match_jets(truth, clustered.event, rapidity, phi, distance)
        keep = (np.abs(eta) < ETA_MAX) & (matched | (not recipe.drop_unmatched))
        keep &= (pt >= LOW) & (pt < HIGH)
        pthat = record.events["pthat"]
        columns = pthat[clustered.event], pt, mass, np.diff(clustered.ptr)
        jets.append(np.stack(columns, -1)[keep])
        events.append(pthat)
    info = generator.infoPython()
    sigma = np.array([info.sigmaGen(), info.sigmaErr()])
    return {"jets": np.concatenate(jets), "events": np.concatenate(events), "sigma": sigma}


def sample(process: str, name: str) -> tuple[Sample, str]:
    """The jets of the window that the package generates, and their table of slices."""
    options = PythiaOptions(pthat=SAMPLES[name], seed=11)
    out = FOLDER / f"{process}-{name}"
    jets, flow = pythia.generate_with_cut_flow(
        process, N_JETS[process], options, workers=1, out=out
    )
    pt = jets.jets["gen_pt"]
    jets = jets[np.flatnonzero((pt >= LOW) & (pt < HIGH))]
    weight = jets.jets.get("weight", np.ones(len(jets))).astype(float)
    sigma = cross_section(process, options)
    in_window, of_all = float(flow.in_window), float(flow.events)
    relative = 1 / np.sqrt(in_window)
    if flow.slices:
        in_window = sum(s.weight for s in flow.slices)
        of_all = sum(s.hard_weight for s in flow.slices)
        relative = np.sqrt(sum(s.weight2 for s in flow.slices)) / in_window
    value = sigma.pb * in_window / of_all
    columns = {name: jets.jets[f"gen_{name}"].astype(float) for name in OBSERVABLES}
    error = value * float(np.hypot(relative, sigma.error / sigma.pb))
    return Sample(columns, weight, value, error), slice_table({process: flow}, {process: sigma})


def lost(wide: Sample, low: float, high: float) -> str:
    """The share of the jets of the wide run outside a range of pTHat (GeV)."""
    pthat = wide.columns["pthat"]
    outside = (pthat < low) | (pthat >= high)
    total = wide.weight.sum()
    share = wide.weight[outside].sum() / total
    above = wide.weight[pthat >= high].sum() / total
    error = np.sqrt(
        (1 - share) ** 2 * (wide.weight[outside] ** 2).sum()
         + share**2 * (wide.weight[~outside] ** 2).sum()
    ) / total  # fmt: skip
    return f"{100 * share:.1f} ± {100 * error:.1f} % (above {high:.0f} GeV {100 * above:.2f} %)"


def report(process: str) -> dict[str, Sample]:
    """Print what the ranges lose, and the samples beside the wide run."""
    wide = wide_run(process)
    print(f"\n{process}: {len(wide.weight)} jets of the wide run in the window")
    samples = {"wide run": wide}
    for name, pthat in SAMPLES.items():
        slices = PythiaOptions(pthat=pthat).slices(process)
        print(f"lost by {name}: {lost(wide, slices[0].low, slices[-1].high)}")
        if process in N_JETS:
            samples[name], table = sample(process, name)
            print(table, end="\n" if table else "")
    for name, jets in samples.items():
        n_eff = jets.weight.sum() ** 2 / (jets.weight**2).sum()
        cells = [f"{name:9s} N_eff {n_eff:5.0f}  sigma {jets.sigma:.4g} ± {jets.error:.2g} pb"]
        cells += ["{} {:.2f} ± {:.2f}".format(x, *jets.mean(x)) for x in OBSERVABLES]
        for x in OBSERVABLES:
            ours, wides = jets.shares(x), wide.shares(x)
            use = ours[1] * wides[1] > 0
            pull = (ours[0] - wides[0])[use] / np.hypot(ours[1], wides[1])[use]
            cells += [] if jets is wide else [f"χ²({x}) {(pull**2).sum():.0f}/{use.sum() - 1}"]
        print("  ".join(cells))
    return samples


def draw(samples: dict[str, Sample]) -> None:
    """The figure of the page: spectra of the samples, and their ratios to the wide run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from pyg_jets.report.figures.style import style

    labels = {"pt": "jet $p_T$ (GeV)", "mass": "jet mass (GeV)", "multiplicity": "constituents"}
    with style():
        figure, axes = pyplot.subplots(
            2, 3, figsize=(10, 4.6), sharex="col", height_ratios=(2, 1), layout="constrained"
        )
        for (top, bottom), (x, (low, high, n)) in zip(axes.T, OBSERVABLES.items(), strict=True):
            bins = np.linspace(low, high, n + 1)
            middle, step = (bins[1:] + bins[:-1]) / 2, (high - low) / n
            wide, _ = samples["wide run"].shares(x)
            for i, (name, jets) in enumerate(samples.items()):
                y, error = jets.shares(x)
                use = wide > 0.003
                top.stairs(y, bins, label=name, color=f"C{i}")
                shift = middle + (i - 1) * step / 5
                bottom.errorbar(
                    shift[use], (y / np.maximum(wide, 1e-9))[use],
                    (error / np.maximum(wide, 1e-9))[use], fmt=".", color=f"C{i}",
                )  # fmt: skip
            bottom.axhline(1, color="0.6", lw=0.8, zorder=0)
            bottom.set(xlabel=labels[x], ylim=(0.6, 1.4))
        axes[0, 0].set(ylabel="share of jets")
        axes[1, 0].set(ylabel="over wide run")
        axes[0, 2].legend(frameon=False)
        figure.savefig(FIGURE, dpi=110)
        print(f"wrote {FIGURE}")


if __name__ == "__main__":
    for asked in sys.argv[1:] or WIDE:
        made = report(asked)
        if asked == "qcd":
            draw(made)
