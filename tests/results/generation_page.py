"""The page of the generators, as Markdown with its figures."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyg_jets
from pyg_jets.report.numbers import count
from tests.results import generation_figures as figures
from tests.results import generation_tables as tables_of
from tests.results.comparison_page import table
from tests.results.generation_data import Generated, Given
from tests.results.generation_noise import DIGITS
from tests.results.generation_wanted import wanted

__all__ = ["write"]

COMMANDS = """```sh
pyg-jets scan generation/sweep
{}python -m tests.results.generation{}
```"""
NOTES = """GraphVAE (the class ConditionalGraphVAE) makes RECO out of GEN jets of any length;
ConvVAE is the convolutional autoencoder of arXiv 2109.15197 on a list of fixed length, padded in
three ways, which is a model of its leading particles alone. Both see the same jets of one
generator and one fast detector: nothing here says how either would do on another.

The losses of ConvVAE are the sources' (Chamfer distance, pT, mass, divergence), its learning rate
is larger than theirs and falls, as it has 30 epochs. Chamfer distances say what a set should
be near, not how a response is spread, so ConvVAE draws nearly the same RECO each time; GraphVAE
learns by energy scores of two draws. What was tried for GraphVAE, by trainings of development
whose jets are not kept: with particles drawn one by one
alone, the pT of jets was spread by a quarter too much (distance 0.097 instead of what stands
below); drawing the jet as a whole too, and settling the particles to it, brought it there. Out of
noise the same took the distance in pT from 2.2 to below 0.1, in short trainings. A heavier
divergence (0.3) let the latent collapse, a lighter one (0.05) left the multiplicities out of the
prior wrong by 0.3 deviations, until p(n) averaged over the prior became a term of the loss."""
HEADS = {
    "leading": "Target: the leading 50 constituents",
    "all": "Target: all constituents",
}


def write(
    path: Path,
    found: Sequence[Generated],
    given: Given,
    tables: dict[str, list[dict[str, Any]]],
    **others: Any,
) -> None:
    """Write the page, and its figures in a folder beside it."""
    folder = path.parent / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    blocks = [
        "# GEN → RECO of W jets with cms-like",
        _how(found, given, others["noise"]),
        wanted(tables),
        *(block for name, lines in tables.items() for block in _target(name, lines)),
        _bins(folder, tables),
        _costs(tables["leading"], others["steps"], others["detector"]),
        _response(folder, others["responses"]),
        *_noise(folder, others["noise"]),
        _provenance(found),
    ]
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    print(f"wrote {path}", flush=True)


def _how(found: Sequence[Generated], given: Given, noise: dict[str, Any]) -> str:
    told = found[-1].run.provenance
    configs = {
        "gluon": "generation/noise",
        "top": "generation/noise",
        "digits": "generation/digits",
    }
    configs["digits-8"] = "generation/digits"
    set_to = "--data.dataset.init_args."
    extra = {
        "top": f" {set_to}processes=[top]",
        "digits-8": f" {set_to}n_pixels=25 {set_to}digit=8 --trainer.max_epochs=250 "
        "--model.scheduler.init_args.T_max=250",
    }
    more = "".join(
        f"pyg-jets fit --config {configs[name]} --run runs/generation/{name}{extra.get(name, '')}\n"
        for name in (*noise["tables"], *noise["digits"])
    )
    few = "" if given.n_jets is None else f" --jets {given.n_jets}"
    return f"""{COMMANDS.format(more, few)}

{NOTES}

## How it was done

W jets of Pythia 8, anti-kt R = 0.8, 500 < pT < 600 GeV before the detector, |η| < 2. The detector
`cms-like` sees the particles of each jet; they are not clustered again. Training jets:
{count(told["n_train"])}, with another response of the detector each epoch; validation jets:
{count(told["n_val"])}; test jets: {count(len(given.gen))}. All rows are held against one truth, the
RECO of the test jets, in one table cut to its 50 hardest particles as the source's is. The truth
floor is another draw of the detector for the same GEN jets; identity says that RECO is GEN; a
truth cut to its leading n is the best that a list of length n could do."""


def _target(name: str, lines: list[dict[str, Any]]) -> list[str]:
    distance = f"""W1M, W1P and W1EFP × 10³, mean ± deviation of 5 batches of
{count(lines[1]["batch"])} jets; W1EFP, FPD and KPD of the first 50,000 jets at most, COV and MMD of
10 batches of 100. pT is relative to that of the GEN jet. “–” is not measured."""
    return [
        f"## {HEADS[name]}",
        "Distance of each feature of jets: W₁ over the deviation of the target.",
        tables_of.jets(lines),
        "The same of particles; and (RECO − GEN) / GEN of each jet, mean ± deviation.",
        tables_of.particles(lines),
        distance,
        tables_of.sets(lines),
    ]


def _bins(folder: Path, tables: dict[str, list[dict[str, Any]]]) -> str:
    lines = tables["leading"]
    lists = [line for line in lines if line["kind"] == "list"]
    best = min(lists, key=lambda line: line["emd"]["mass"] + line["emd"]["pt"])
    drawn = [next(line for line in lines if line["title"] == "GraphVAE"), best]
    (folder / "bins.png").write_bytes(figures.bins(drawn))
    names = " and ".join(line["title"] for line in drawn)
    return f"""## Bin by bin

Histograms of mass and pT in 20 bins equally wide between the 1 % and 99 % quantiles of the target:
the share of bins whose ratio to the target is within 10 % of one, and the bin that is furthest
from it, with its statistical error.

{tables_of.bins(tables)}

![Mass and pT of {names}, with their ratio to the target]({folder.name}/bins.png)

{names} against the leading 50 constituents; the band is 10 %.
Of the ConvVAEs the one whose distances in mass and pT sum to the least."""


def _costs(
    lines: list[dict[str, Any]], steps: dict[str, dict[str, float]], detector: dict[str, float]
) -> str:
    rows = [
        (name, count(step["parameters"]), f"{step['step_s']:.3f}") for name, step in steps.items()
    ]
    fastest = min(line["cost"]["us"] for line in lines if "cost" in line)
    return f"""## What they cost

{tables_of.costs(lines)}

Seconds of an epoch include validation, on one thread beside the scan's other processes and at times
further work, so that they compare only roughly; µs of sampling on batches of 1,024, the median.
The detector itself takes {detector["us"]:.0f} µs a jet, the fastest network
{fastest / detector["us"]:.1f} times as much: no speed-up is claimed.

One training step of 100 jets, random weights (the median of four):

{table(("network", "parameters", "s a step"), rows)}

ConvVAE of 100 and of 150 particles were not trained."""


def _response(folder: Path, found: dict[str, Any]) -> str:
    wished = ("GraphVAE", "ConvVAE 30, zeros", "ConvVAE 50, zeros")
    shown = [title for title in wished if title in found["lines"]]
    (folder / "response.png").write_bytes(figures.response(found, shown))
    names = ", ".join(shown)
    return f"""## Response of a jet

{found["n_jets"]} GEN jets, each drawn {found["draws"]} times by the detector and by each network:
mean and deviation of RECO / GEN of each jet. The mean absolute difference of the means (Δ), the
mean ratio of the deviations (network over detector) and the correlation of the means over the jets.
The detector's jets are cut as the network's target is. “Detector again” is the
detector with another seed, as far as so few draws can agree. Networks read (pT, η, φ) relative to
the jet's axis: a detector that is shown particles of shuffled kinds, and jets of shuffled η too,
knows no more than they do, and about as closely as that can a network follow single jets.

{tables_of.responses(found)}

![Response of each jet, network against detector: {names}]({folder.name}/response.png)

Each point is a jet; on the line the network does as the detector."""


def _noise(folder: Path, found: dict[str, Any]) -> list[str]:
    blocks = ["## Out of noise"] if found["tables"] or found["digits"] else []
    for name, of in found["tables"].items():
        blocks += [
            f"{name.capitalize()} jets out of the prior of GraphVAE, {count(of['n'])} of them, and "
            f"as many real ones (truth floor), beside as many others; {count(of['empty'])} made "
            "jets are empty. W1M and W1P × 10³; pT of W1P and FPD is relative to the jet's own.",
            tables_of.noise(of),
        ]
    for name, shown in found["digits"].items():
        (folder / f"{name}.png").write_bytes(figures.digits(shown))
        rows = ", ".join(shown)
        blocks.append(f"![{DIGITS[name]}, by rows: {rows}]({folder.name}/{name}.png)")
        blocks.append(f"{DIGITS[name].capitalize()}, by rows: {rows}; the last are out of noise.")
    return blocks


def _provenance(found: Sequence[Generated]) -> str:
    told = [one.run.provenance for one in found]
    dates = sorted(str(one["date"])[:10] for one in told)
    versions = told[0]["versions"]
    of = ", ".join(f"{name} {versions[name]}" for name in ("torch", "pythia8mc", "fastjet"))
    between = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    seeds = ", ".join(sorted({str(one["seed"]) for one in told}))
    return f"""Made with the commands above by pyg_jets {pyg_jets.__version__} ({of}); trainings of
{between} with seed {seeds}, one each; the detector has seed 0 for the target, 1 for the truth
floor, 2 and 3 for the responses; page of {datetime.date.today()}."""
